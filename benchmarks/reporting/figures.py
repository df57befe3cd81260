"""What a benchmark measures, in one form for all, and the tables of it."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import click
import msgspec

from geograph_types.files.atomic import new_file
from measuring.machine import Machine, this_machine
from measuring.spread import Spread, ratio, spread

NOISY_SHARE: Final = 0.1
"""Distance between the quartiles, as a share of the median, from which a figure is noisy."""


class Figure(msgspec.Struct, frozen=True):
    """One measured figure."""

    group: str  # what is compared; its figures have one unit and belong in one picture
    name: str  # of the contender
    unit: str
    ours: bool  # it is of this project's code
    more_is_better: bool  # as of a rate
    rounds: int  # how often it was measured
    spread: Spread  # over the rounds
    values: list[float] = []  # of every round

    def better_than(self, other: "Figure") -> Spread:
        """Return how many times as good this one is, round by round if both have as many."""
        pair = (self, other) if self.more_is_better else (other, self)
        if self.rounds == other.rounds and self.values:
            return ratio(*(figure.values for figure in pair))
        return spread([pair[0].spread.median / pair[1].spread.median])


class Results(msgspec.Struct):
    """One run of a benchmark."""

    before: Machine = msgspec.field(default_factory=this_machine)
    after: Machine | None = None
    figures: list[Figure] = []
    notes: list[str] = []
    failed: list[str] = []  # contenders

    def add(
        self,
        group: str,
        name: str,
        unit: str,
        values: Sequence[float],
        *,
        more_is_better: bool = False,
        ours: bool | None = None,
    ) -> None:
        """Add a figure; contenders whose names start with "ours" are ours."""
        ours = name.startswith("ours") if ours is None else ours
        middle = spread(values)
        self.figures.append(
            Figure(group, name, unit, ours, more_is_better, len(values), middle, list(values))
        )

    def leave_out(self, name: str, why: str) -> None:
        """Note a contender that does not take part."""
        self.notes.append(f"left out: {name}: {why}")

    def fail(self, name: str, why: str) -> None:
        """Note a contender that failed, while the others go on."""
        self.failed.append(name)
        self.notes.append(f"failed: {name}: {why}")


def report(results: Results, out: Path | None) -> None:
    """Print the tables, and write the results if a file is asked for."""
    results.after = this_machine()
    for line in results.before.markdown(results.after):
        click.echo(line)
    for line in tables(results.figures, results.notes):
        click.echo(line)
    if out is not None:
        write_json(results, out)


def write_json(results: object, out: Path) -> None:
    """Write results; the file is there in full or not at all."""
    with new_file(out) as stream:
        stream.write(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")


def tables(figures: Sequence[Figure], notes: Iterable[str]) -> Iterator[str]:
    """Write notes as a list, and a table of each group, the best first."""
    yield from (f"* {note}" for note in notes)
    noisy = [figure for figure in figures if figure.spread.share > NOISY_SHARE]
    if noisy:
        worst = max(noisy, key=lambda figure: figure.spread.share)
        yield (
            f"* **noisy**: {len(noisy)} of {len(figures)} figures have quartiles more than "
            f"{NOISY_SHARE:.0%} apart, {worst.name} in '{worst.group}' {worst.spread.share:.0%}"
        )
    for group, panel in panels(figures):
        ours = next((one for one in figures if one.ours and one.group == group), None)
        rows = [
            [figure.name, figure.spread.text(), ours.better_than(figure).text() if ours else ""]
            for figure in panel
        ]
        yield ""
        yield from table([group, f"{panel[0].unit} (quartiles)", "ours is better by"], rows)


def panels(figures: Sequence[Figure]) -> list[tuple[str, list[Figure]]]:
    """Return the figures of each group, the best first."""
    groups = dict.fromkeys(figure.group for figure in figures)
    found = {group: [figure for figure in figures if figure.group == group] for group in groups}
    return [
        (group, sorted(panel, key=_median, reverse=panel[0].more_is_better))
        for group, panel in found.items()
    ]


def _median(figure: Figure) -> float:
    return figure.spread.median


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Write a Markdown table, line by line."""
    yield f"| {' | '.join(headings)} |"
    yield "|---" * len(headings) + "|"
    for row in rows:
        yield f"| {' | '.join(row)} |"
