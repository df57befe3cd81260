"""Report what became slower or larger from one run of bench.py to another, beyond noise.

    python benchmarks/compare.py OLD.json NEW.json

A figure of this project counts as worse if all of this holds:

* its quartiles do not overlap with the old ones;
* its median is worse by the least ratio: 1.1, or 1.3 for a figure of fewer than 5 rounds;
* both still hold after the new figure is divided by the drift: how much the other contenders'
  figures, whose code is not ours, moved between the runs (the median), once those of the same
  section and unit, and once those of the same group.

A machine that became faster can hide what became slower by less. The exit status is 1 if
something became worse, or is no longer measured; 2 if the files cannot be compared.
"""

import statistics
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import click
import msgspec

from geograph_types.errors import InputError
from reporting.figures import Figure
from reporting.run import BenchResults, read_results

LEAST_RATIO: Final = 1.1
LEAST_RATIO_OF_FEW: Final = 1.3
FEW_ROUNDS: Final = 5

Key = tuple[str, str, str]


class Change(msgspec.Struct, frozen=True):
    """How one of our figures changed."""

    section: str
    old: Figure
    new: Figure
    drift: float  # how much the section's other contenders moved: 1.1 is 10 % worse
    group_drift: float  # how much those of its group did

    @property
    def ratio(self) -> float:
        """How many times as bad the median became, drift left in."""
        return _worsening(self.old, self.new)

    @property
    def worse(self) -> bool:
        """Whether it is beyond noise."""
        return all(map(self._worse, (1.0, self.drift, self.group_drift)))

    def _worse(self, drift: float) -> bool:
        few = min(self.old.rounds, self.new.rounds) < FEW_ROUNDS
        least = LEAST_RATIO_OF_FEW if few else LEAST_RATIO
        old, new = self.old.spread, self.new.spread
        if self.new.more_is_better:
            apart = new.high * drift < old.low
        else:
            apart = new.low / drift > old.high
        return apart and self.ratio / drift >= least


def changes(old: BenchResults, new: BenchResults) -> Iterator[Change]:
    """Pair our figures of two runs; those that only one has are passed over."""
    before, after = _figures(old), _figures(new)
    both = [key for key in before if key in after]
    for key in both:
        if after[key].ours:
            others = {
                other: _worsening(before[other], after[other])
                for other in both
                if other[0] == key[0]
                and after[other].unit == after[key].unit
                and not after[other].ours
            }
            near = [moved for other, moved in others.items() if other[1] == key[1]]
            drifts = _median(others.values()), _median(near)
            yield Change(key[0], before[key], after[key], *drifts)


def missing(old: BenchResults, new: BenchResults) -> list[Key]:
    """List our figures that the new run does not have, of sections that it was to run."""
    after = _figures(new)
    return [
        key
        for key, figure in _figures(old).items()
        if figure.ours and key not in after and key[0] in {*new.sections, *new.failed}
    ]


def _median(moved: Iterable[float]) -> float:
    known = list(moved)
    return statistics.median(known) if known else 1.0


def differences(old: BenchResults, new: BenchResults) -> Iterator[str]:
    """Report what makes two runs hard to compare."""
    if old.quick != new.quick:
        raise InputError("one is a whole run and the other a quick one: compare like with like")
    if old.before.name != new.before.name:
        yield f"other machines: {old.before.name} and {new.before.name}"
    for name in sorted(old.before.versions.keys() | new.before.versions.keys()):
        pair = [run.before.versions.get(name, "none") for run in (old, new)]
        if pair[0] != pair[1]:
            yield f"other versions of {name}: {pair[0]} and {pair[1]}"
    for which, run in (("old", old), ("new", new)):
        if run.before.busy:
            taken = f"{run.before.taken:.2f} processors taken by others"
            yield f"the {which} run began with {taken}: noisy"
    for section in old.sections.keys() ^ new.sections.keys():
        yield f"only one of them has the section {section}"


def _figures(results: BenchResults) -> dict[Key, Figure]:
    return {
        (name, figure.group, figure.name): figure
        for name, section in results.sections.items()
        for figure in section.figures
    }


def _worsening(old: Figure, new: Figure) -> float:
    """Return how many times as bad the median became."""
    quotient = new.spread.median / old.spread.median
    return 1 / quotient if new.more_is_better else quotient


def _line(change: Change) -> str:
    old, new = change.old.spread.text(), change.new.spread.text()
    figure = change.new
    return (
        f"{change.section}, {figure.group}, {figure.name}: {old} to {new} {figure.unit}, "
        f"{change.ratio:.2f} times as bad (others: {change.drift:.2f})"
    )


@click.command()
@click.argument("old", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("new", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def main(old: Path, new: Path) -> None:
    """Report what became worse from OLD to NEW, beyond noise."""
    try:
        before, after = read_results(old), read_results(new)
        for difference in differences(before, after):
            click.echo(f"note: {difference}", err=True)
    except InputError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2)
    found = list(changes(before, after))
    worse = [change for change in found if change.worse]
    for change in worse:
        click.echo(f"worse: {_line(change)}")
    gone = missing(before, after)
    for key in gone:
        click.echo(f"no longer measured: {', '.join(key)}")
    click.echo(
        f"{len(worse)} of {len(found)} figures became worse (quartiles apart, and a median worse "
        f"by {LEAST_RATIO - 1:.0%}, or {LEAST_RATIO_OF_FEW - 1:.0%} under {FEW_ROUNDS} rounds, "
        "both with and without the drift of other contenders)"
    )
    sys.exit(1 if worse or gone else 0)


if __name__ == "__main__":
    main()
