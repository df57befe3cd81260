"""What `bench.py` writes: all sections of one run, with their figures."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import msgspec

from geograph_types.errors import InputError
from measuring.machine import Machine
from reporting.figure import Figure


class SectionResults(msgspec.Struct, frozen=True):
    """One benchmark's results.

    Attributes:
        title: over its tables and charts.
        command: that measured it.
        minutes: that it took.
        figures: for charts and comparison.
        results: all that it measured, in its own form.
        text: its tables, in Markdown.
    """

    title: str
    command: list[str]
    minutes: float
    figures: list[Figure]
    results: msgspec.Raw
    text: str


class BenchResults(msgspec.Struct, frozen=True):
    """One run of all benchmarks.

    Attributes:
        quick: fewer contenders, photos, rows and rounds.
        minutes: of all, files that had to be made included.
        before: the machine before measuring.
        after: the machine after it.
        sections: by name.
        left_out: why a section did not run, by name.
        failed: what happened, by name.
    """

    quick: bool
    minutes: float
    before: Machine
    after: Machine
    sections: dict[str, SectionResults]
    left_out: dict[str, str]
    failed: dict[str, str]


def read_results(path: Path) -> BenchResults:
    """Read a file that `bench.py` wrote.

    Raises:
        InputError: it cannot be read, or is something else.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=BenchResults)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no file of results from bench.py: {error}") from None


def markdown(results: BenchResults, pictures: dict[str, str]) -> Iterator[str]:
    """Show all sections, line by line.

    Args:
        results: of one run.
        pictures: path of each section's chart, by section.
    """
    kind = "quick run" if results.quick else "whole run"
    yield f"# Benchmarks, {results.before.time[:10]}, {kind}"
    yield ""
    circumstances = list(results.before.markdown(results.after))
    yield from circumstances
    yield f"* {results.minutes:.0f} minutes"
    yield from (f"* left out: {name}: {why}" for name, why in results.left_out.items())
    yield from (f"* failed: {name}: {why}" for name, why in results.failed.items())
    for name, section in results.sections.items():
        yield ""
        yield f"## {section.title}"
        yield ""
        yield f"`{shlex.join(section.command)}`, {section.minutes:.1f} minutes"
        yield ""
        if name in pictures:
            yield f"![{section.title}]({pictures[name]})"
            yield ""
        yield from _below(section.text, circumstances)


def _below(text: str, said: list[str]) -> Iterator[str]:
    """Drop a section's own title and what was said above; set its headings a level lower."""
    lines = text.splitlines()
    for line in lines[2:] if text.startswith("# ") else lines:
        if line not in said or not line:
            yield f"#{line}" if line.startswith("#") else line
