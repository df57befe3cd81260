"""How fast `archive run` goes with each engine here, in one alternating run.

    python benchmarks/engines.py --bundle DIR [--photos 1500] [--rounds 2] [--json FILE]

Photos are drawn, 640x480 pixels and about 100 kB; a tenth is drawn, and the others are links to
these. The local engine has its own settings (one worker with all cores); Ray has an actor a core,
each with one thread. Every run is a process of its own. Its rate is that between its first and its
last shard, since starting takes seconds and a run days; the time of the whole process is beside it.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import msgspec

from geograph_types.archive.measure import draw_sample
from geograph_types.system.cpu import usable_cpus
from measuring.command_line import json_option, report, rounds_option, say
from measuring.machine import Machine, this_machine
from measuring.spread import Spread, ratio, spread

DRAWN_SHARE: Final = 10
LOCAL: Final = "local, one worker with all cores"
SPLIT: Final = "local, a worker a core"
RAY: Final = "ray, an actor a core"


class Engine(msgspec.Struct, frozen=True):
    """What was measured of one engine.

    Attributes:
        name: one of those above.
        rates: photos a second between first and last shard, of each round.
        seconds: of the whole process, of each round.
        rate: over the rounds.
        of_local: the rate as a share of the local engine's in the same round.
    """

    name: str
    rates: list[float]
    seconds: list[float]
    rate: Spread
    of_local: Spread


class EngineResults(msgspec.Struct, frozen=True):
    """One run of this benchmark."""

    before: Machine
    after: Machine
    photos: int
    shard_photos: int
    engines: list[Engine]


@click.command(epilog="Example: python benchmarks/engines.py --bundle model")
@click.option(
    "--bundle",
    type=click.Path(path_type=Path, exists=True),
    required=True,
    help="That every engine runs.",
)
@click.option(
    "--photos",
    type=click.IntRange(min=100),
    default=1500,
    show_default=True,
    help="In each engine's run.",
)
@click.option(
    "--shard-photos",
    type=click.IntRange(min=10),
    default=100,
    show_default=True,
    help="In each shard.",
)
@rounds_option(2)
@json_option
def main(bundle: Path, photos: int, shard_photos: int, rounds: int, out: Path | None) -> None:
    """Measure `archive run` with the local engine and with Ray."""
    with tempfile.TemporaryDirectory() as folder:
        results = measure(Path(folder), bundle, photos, shard_photos, rounds)
    report(markdown(results), results, out)


def measure(
    folder: Path, bundle: Path, photos: int, shard_photos: int, rounds: int
) -> EngineResults:
    """Draw photos, and give every engine a turn a round."""
    drawn = folder / "drawn"
    linked = folder / "photos"
    for one in (drawn, linked):
        one.mkdir()
    paths = draw_sample(drawn, photos // DRAWN_SHARE)
    for number in range(photos):
        (linked / f"{number:06}.jpg").hardlink_to(paths[number % len(paths)])
    cores = str(usable_cpus())
    one_each = ["--actors", cores, "--threads-per-actor", "1"]
    engines = {
        LOCAL: ["--engine", "local"],
        SPLIT: ["--engine", "local", *one_each],
        RAY: ["--engine", "ray", *one_each],
    }
    command = [sys.executable, "-m", "geograph_types.cli", "archive", "run"]
    command += ["--input", str(linked), "--bundle", str(bundle.resolve())]
    command += ["--shard-photos", str(shard_photos)]
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in engines}
    before = this_machine()
    for number in range(rounds):
        # Backwards every other round: what comes first finds another machine than what comes last.
        for name in list(engines)[:: -1 if number % 2 else 1]:
            say(f"round {number + 1} of {rounds}: {name} ...")
            output = folder / f"{number}-{len(measured[name])}-{name[:5]}-{len(engines[name])}"
            options = [*engines[name], "--output", str(output)]
            measured[name].append(run([*command, *options], output, shard_photos))
    local = [rate for rate, _ in measured[LOCAL]]
    summaries = [
        Engine(
            name=name,
            rates=(rates := [rate for rate, _ in values]),
            seconds=[seconds for _, seconds in values],
            rate=spread(rates),
            of_local=ratio(rates, local),
        )
        for name, values in measured.items()
    ]
    return EngineResults(before, this_machine(), photos, shard_photos, summaries)


def run(command: list[str], output: Path, shard_photos: int) -> tuple[float, float]:
    """Run to the end, and give photos a second from the first shard on, and all seconds."""
    started = time.perf_counter()
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    seconds = time.perf_counter() - started
    if done.returncode:
        raise click.ClickException(done.stderr)
    ends = sorted(path.stat().st_mtime for path in output.glob("part-*.parquet"))
    return (len(ends) - 1) * shard_photos / (ends[-1] - ends[0]), seconds


def markdown(results: EngineResults) -> Iterator[str]:
    """Show the results, medians with quartiles in brackets."""
    yield from results.before.markdown(results.after)
    yield ""
    yield f"{results.photos:,} photos of 640x480 pixels, {results.shard_photos} a shard"
    yield ""
    yield "| engine | photos a second | share of local | whole process, s |"
    yield "|---|---|---|---|"
    for one in results.engines:
        whole = spread(one.seconds).text(1)
        yield f"| {one.name} | {one.rate.text(1)} | {one.of_local.text(2)} | {whole} |"


if __name__ == "__main__":
    main()
