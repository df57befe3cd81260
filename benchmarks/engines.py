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
from pathlib import Path
from typing import Final

import click

from geograph_types.archive.measure import draw_sample
from geograph_types.system.cpu import usable_cpus
from measuring.command_line import count_option, json_option, rounds_option, say
from measuring.rounds import turns
from reporting.figures import Results, report

DRAWN_SHARE: Final = 10
LOCAL: Final = "local, one worker with all cores"
SPLIT: Final = "local, a worker a core"
RAY: Final = "ray, an actor a core"


@click.command(epilog="Example: python benchmarks/engines.py --bundle model")
@click.option(
    "--bundle",
    type=click.Path(path_type=Path, exists=True),
    required=True,
    help="That every engine runs.",
)
@count_option("--photos", 1500, "In each engine's run.", least=100)
@count_option("--shard-photos", 100, "In each shard.", least=10)
@rounds_option(2)
@json_option
def main(bundle: Path, photos: int, shard_photos: int, rounds: int, out: Path | None) -> None:
    """Measure `archive run` with the local engine and with Ray."""
    with tempfile.TemporaryDirectory() as folder:
        report(measure(Path(folder), bundle, photos, shard_photos, rounds), out)


def measure(folder: Path, bundle: Path, photos: int, shard_photos: int, rounds: int) -> Results:
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
    results = Results()
    results.notes.append(f"{photos:,} photos of 640x480 pixels, {shard_photos} a shard")
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in engines}
    for number, name in turns(engines, rounds):
        say(f"round {number + 1} of {rounds}: {name} ...")
        output = folder / f"{number}-{list(engines).index(name)}"
        options = [*engines[name], "--output", str(output)]
        measured[name].append(run([*command, *options], output, shard_photos))
    for name, values in measured.items():
        rates, seconds = zip(*values, strict=True)
        results.add("engines", name, "photos per second", rates, more_is_better=True, ours=True)
        results.add("whole process", name, "s", seconds, ours=True)
    return results


def run(command: list[str], output: Path, shard_photos: int) -> tuple[float, float]:
    """Run to the end; return photos per second from the first shard on, and all seconds."""
    started = time.perf_counter()
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    seconds = time.perf_counter() - started
    if done.returncode:
        raise click.ClickException(done.stderr)
    ends = sorted(path.stat().st_mtime for path in output.glob("part-*.parquet"))
    return (len(ends) - 1) * shard_photos / (ends[-1] - ends[0]), seconds


if __name__ == "__main__":
    main()
