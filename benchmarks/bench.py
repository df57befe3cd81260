"""Run all benchmarks, one after the other, and write their results, tables and charts.

    python benchmarks/bench.py [--quick] [--work DIR] [--results DIR]
    make bench
    make bench-quick

Results go to `benchmarks/results/MACHINE/DATE.json`, with the tables in a Markdown file beside it
and a chart of each section as PNG and SVG. `compare.py` compares two such files. Each benchmark is
a script that can also run by itself, in a process of its own; one that fails costs itself.

A first run exports a bundle and draws photos, which takes some minutes more.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import click
import msgspec

from geograph_types.files.atomic import new_file
from measuring.command_line import bundle_option, errors_as_lines, say, weights_option, work_option
from measuring.machine import Machine, this_machine
from reporting.charts import draw_charts
from reporting.figures import Results, write_json
from reporting.run import BenchResults, SectionResults, markdown
from sections import SECTIONS, Section

RESULTS: Final = Path(__file__).parent / "results"


class _Run:
    """Sections that ran so far, and what became of the others."""

    def __init__(self, quick: bool, weights: str, bundle: Path | None, work: Path) -> None:
        self.quick, self.weights, self.bundle, self.work = quick, weights, bundle, work
        self.sections: dict[str, SectionResults] = {}
        self.left_out: dict[str, str] = {}
        self.failed: dict[str, str] = {}

    def take(self, section: Section) -> None:
        """Run a section, or note why not."""
        options = section.quick if self.quick else section.whole
        if options is None:
            self.left_out[section.name] = "it takes too long for a quick run"
        else:
            say(f"== {section.title}")
            self._run(section, options)

    def _run(self, section: Section, options: tuple[str, ...]) -> None:
        arguments = [section.script, *options]
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "results.json"
            command = [sys.executable, "-W", "ignore", str(section.path), *options]
            command += [*self._places(section), "--json", str(out)]
            done = subprocess.run(command, stdout=subprocess.DEVNULL)
            if not out.exists():
                self.failed[section.name] = f"it ended with status {done.returncode}"
                say(f"error: {section.name}: {self.failed[section.name]}")
                return
            results = msgspec.json.decode(out.read_bytes(), type=Results)
            if done.returncode:
                self.failed[section.name] = "a part of it failed, as its table says"
            self.sections[section.name] = SectionResults(
                title=section.title,
                command=["python", f"benchmarks/{arguments[0]}", *arguments[1:]],
                minutes=(time.perf_counter() - start) / 60,
                figures=results.figures,
                notes=results.notes,
            )

    def _places(self, section: Section) -> list[str]:
        places = []
        if section.folder is not None:
            places += ["--work", str(self.work / section.folder)]
        if section.weights:
            places += ["--weights", self.weights]
            places += ["--bundle", str(self.bundle)] if self.bundle else []
        return places


def write(results: BenchResults, folder: Path) -> Path:
    """Write results, charts and tables into the machine's folder, and return the JSON file."""
    day, _, clock = results.before.time.partition("T")
    kind = "-quick" if results.quick else ""
    name = f"{day}-{clock[:5].replace(':', '')}{kind}"
    place = folder / results.before.name
    place.mkdir(parents=True, exist_ok=True)
    pictures = draw_charts(results, place / name)
    write_json(results, place / f"{name}.json")
    with new_file(place / f"{name}.md") as stream:
        stream.write("".join(f"{line}\n" for line in markdown(results, pictures)).encode())
    return place / f"{name}.json"


def measure(run: _Run, wanted: tuple[str, ...]) -> BenchResults:
    """Run all sections, or those that are wanted."""
    before: Machine = this_machine()
    if before.busy:
        say(f"warning: other processes take {before.taken:.2f} processors, which disturbs all")
    start = time.perf_counter()
    for section in SECTIONS:
        if not wanted or section.name in wanted:
            run.take(section)
    return BenchResults(
        quick=run.quick,
        minutes=(time.perf_counter() - start) / 60,
        before=before,
        after=this_machine(),
        sections=run.sections,
        left_out=run.left_out,
        failed=run.failed,
    )


@click.command(epilog="Example: python benchmarks/bench.py --quick")
@click.option("--quick", is_flag=True, help="Three minutes: less of everything.")
@weights_option
@bundle_option
@work_option
@click.option(
    "--results",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=RESULTS,
    help="Folder for results; benchmarks/results otherwise.",
)
@click.option(
    "--section",
    "wanted",
    type=click.Choice([section.name for section in SECTIONS]),
    multiple=True,
    help="Run this part only; several.",
)
def main(
    quick: bool,
    weights: str,
    bundle: Path | None,
    work: Path,
    folder: Path,
    wanted: tuple[str, ...],
) -> None:
    """Run all benchmarks. The exit status is 1 if one failed."""
    with errors_as_lines():
        results = measure(_Run(quick, weights, bundle, work), wanted)
    click.echo(write(results, folder))
    sys.exit(1 if results.failed else 0)


if __name__ == "__main__":
    main()
