"""What `bench.py` writes: all sections of one run, with their figures."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import msgspec

from geograph_types.errors import InputError
from measuring.machine import Machine
from reporting.figures import Figure, tables


class SectionResults(msgspec.Struct, frozen=True):
    """One benchmark's results."""

    title: str  # over its tables and charts
    command: list[str]
    minutes: float
    figures: list[Figure]
    notes: list[str] = []


class BenchResults(msgspec.Struct, frozen=True):
    """One run of all benchmarks."""

    quick: bool  # fewer contenders, photos, rows and rounds
    minutes: float  # of all, making missing files included
    before: Machine
    after: Machine
    sections: dict[str, SectionResults]  # by name
    left_out: dict[str, str]  # why a section did not run, by name
    failed: dict[str, str]  # what happened, by name


def read_results(path: Path) -> BenchResults:
    """Read a file that `bench.py` wrote."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=BenchResults)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a file of results from bench.py: {error}") from None


def markdown(results: BenchResults, pictures: dict[str, str]) -> Iterator[str]:
    """Write all sections, line by line, with the charts, whose paths are given by section."""
    kind = "quick run" if results.quick else "whole run"
    yield f"# Benchmarks, {results.before.time[:10]}, {kind}"
    yield ""
    yield from results.before.markdown(results.after)
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
        yield from tables(section.figures, section.notes)
