"""What `archive.py` measures, and how it is shown."""

from collections.abc import Iterator
from typing import Final

import msgspec

from measuring.machine import Machine
from measuring.spread import Spread, ratio, spread

PARQUET: Final = "score, Parquet"
SMALL: Final = "score, Parquet, a tenth"
LOOP: Final = "torch, one at a time"
SCRIPT: Final = "released scripts, .jsonl.gz line by line"
JSON: Final = "score, .jsonl.gz"
UNZIP: Final = "gzip -dc"


class Contender(msgspec.Struct, frozen=True):
    """What was measured of one contender.

    Attributes:
        name: one of those above.
        rows: that it went through in a round.
        seconds: of each round.
        megabytes: highest resident memory of each round; none for gzip.
        rate: rows a second.
    """

    name: str
    rows: int
    seconds: list[float]
    megabytes: list[float]
    rate: Spread


class ArchiveResults(msgspec.Struct, frozen=True):
    """One run of the benchmark.

    Attributes:
        before: the machine before measuring.
        after: the machine after it.
        contenders: by what was measured.
        of_loop: the rate over Parquet as a multiple of the loop's in the same round.
        of_script: the rate over JSON Lines as a multiple of the released scripts' likewise.
        of_unzip: the rate over JSON Lines as a share of gzip's in the same round.
        growth: megabytes at all rows beyond those at a tenth of them, at most.
    """

    before: Machine
    after: Machine
    contenders: list[Contender]
    of_loop: Spread
    of_script: Spread
    of_unzip: Spread
    growth: float


def summary(name: str, rows: int, measured: list[tuple[float, float]]) -> Contender:
    """Summarise seconds and megabytes of every round."""
    seconds = [one for one, _ in measured]
    megabytes = [one for _, one in measured if one]
    return Contender(name, rows, seconds, megabytes, spread([rows / one for one in seconds]))


def rates_ratio(ours: Contender, other: Contender) -> Spread:
    """Compare rows a second, round by round."""
    return ratio(
        [ours.rows / seconds for seconds in ours.seconds],
        [other.rows / seconds for seconds in other.seconds],
    )


def markdown(results: ArchiveResults) -> Iterator[str]:
    """Show the results, medians with quartiles in brackets."""
    yield from results.before.markdown(results.after)
    yield ""
    yield "| | rows | thousand rows a second | memory at most, MB |"
    yield "|---|---|---|---|"
    for one in results.contenders:
        thousands = spread([one.rows / seconds / 1000 for seconds in one.seconds]).text(1)
        megabytes = f"{max(one.megabytes):.0f}" if one.megabytes else ""
        yield f"| {one.name} | {one.rows:,} | {thousands} | {megabytes} |"
    yield ""
    yield f"* over Parquet, times the loop's rate: {results.of_loop.text(1)}"
    yield f"* over JSON Lines, times the released scripts' rate: {results.of_script.text(1)}"
    yield f"* over JSON Lines, share of gzip's rate: {results.of_unzip.text(2)}"
    yield f"* memory at all rows beyond that at a tenth: {results.growth:.0f} MB"
