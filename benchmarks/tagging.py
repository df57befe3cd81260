"""How many photos a second, from files to tags, against the plain way, in one alternating run.

    python benchmarks/tagging.py [--bundle DIR] [--photos 96] [--rounds 5] [--json FILE]

Ours is the int8 encoder with `embed_photos`' own settings. The plain way decodes and prepares
photos one after the other with Pillow and open_clip's transform, and runs batches of 32 in torch or
in the traced ONNX file, with their default threads. fastembed's image pipeline reads a local folder
with that file. Each run is a process of its own; models are loaded and warm before the clock
starts. `--memory 2000` measures memory over so many photos of 12 MP.
"""

import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import msgspec
import numpy as np
from PIL import Image

from contenders.fastembed_folder import MODEL, fastembed_folder
from contenders.interface import Given, unless_installed
from contenders.traced_file import traced_tower
from geograph_types.files.atomic import new_file
from measuring.command_line import (
    bundle_option,
    errors_as_lines,
    json_option,
    report,
    rounds_option,
    say,
    weights_option,
    work_option,
)
from measuring.machine import Machine, this_machine
from measuring.memory import run_watched
from measuring.spread import Spread, ratio, spread
from measuring.workspace import HEAD, make_workspace

SCRIPTS = Path(__file__).parent / "whole_way"
SIZES = {"640 px": (640, 480), "12 MP": (4000, 3000)}
SCENES = 16
SEED = 11
GRAIN = 5.0
"""Standard deviation of the noise that gives drawn photos the file size of real ones."""
OURS = "ours, int8"
FASTEMBED = "fastembed"


class Way(msgspec.Struct, frozen=True):
    """One way over one size of photos.

    Attributes:
        size: of the photos.
        way: its name.
        photos_a_second: of every round.
        megabytes: the most memory in any round.
        rate: over the rounds.
        ours_is: our rate as a multiple of this one's in the same round.
    """

    size: str
    way: str
    photos_a_second: list[float]
    megabytes: float
    rate: Spread
    ours_is: Spread


class TaggingResults(msgspec.Struct, frozen=True):
    """One run of this benchmark."""

    before: Machine
    after: Machine
    photos: int
    rounds: int
    ways: list[Way]
    left_out: dict[str, str]


def make_photos(folder: Path, size: tuple[int, int]) -> list[Path]:
    """Draw scenes of a size as JPEG files, unless they are there."""
    from geograph_types_trainer.scenes import draw_scenes

    rng = np.random.default_rng(SEED)
    paths = []
    folder.mkdir(parents=True, exist_ok=True)
    for number, scene in enumerate(draw_scenes(SCENES, SEED)):
        path = folder / f"{number:02}.jpg"
        paths.append(path)
        if not path.exists():
            grain = rng.normal(0, GRAIN, (size[1], size[0], 1))
            pixels = np.asarray(scene.resize(size), np.float32) + grain
            with new_file(path) as stream:
                Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(
                    stream, "JPEG", quality=90
                )
    return paths


def commands(given: Given, listed: Path) -> dict[str, list[str]]:
    """Give the command of each way, ours first."""
    plain = [sys.executable, str(SCRIPTS / "plain.py")]
    fastembed = [sys.executable, str(SCRIPTS / "fastembed_way.py"), MODEL]
    head = str(given.work / HEAD)
    ways = {
        OURS: [sys.executable, str(SCRIPTS / "ours.py"), str(given.bundle), str(listed)],
        "plain, torch fp32": [*plain, "torch", str(given.weights), head, str(listed)],
        "plain, traced ONNX fp32": [*plain, "onnx", str(traced_tower(given)), head, str(listed)],
    }
    if unless_installed(FASTEMBED) is None:
        folder = str(fastembed_folder(given))
        ways["fastembed, ONNX fp32"] = [*fastembed, folder, head, str(listed)]
    return ways


def measure(given: Given, size: str, photos: int, rounds: int) -> list[Way]:
    """Run every way once a round, in a new order each round."""
    paths = make_photos(given.work / size.replace(" ", "-"), SIZES[size])
    listed = list_photos(paths, photos, given.work)
    ways = commands(given, listed)
    rates: dict[str, list[float]] = {name: [] for name in ways}
    memory = dict.fromkeys(ways, 0.0)
    shuffled = random.Random(0)
    for number in range(rounds):
        order = list(ways)
        shuffled.shuffle(order)
        for name in order:
            say(f"{size}, round {number + 1} of {rounds}: {name}")
            printed, peak = run_watched(ways[name])
            rates[name].append(photos / float(printed))
            memory[name] = max(memory[name], peak)
    return [
        Way(size, name, values, memory[name], spread(values), ratio(rates[OURS], values))
        for name, values in rates.items()
    ]


def list_photos(paths: Sequence[Path], count: int, work: Path) -> Path:
    """Write the paths over and over, so many in all."""
    listed = work / f"{paths[0].parent.name}-{count}.txt"
    lines = [str(paths[number % len(paths)]) for number in range(count)]
    listed.write_text("\n".join(lines) + "\n")
    return listed


def markdown(results: TaggingResults) -> Iterator[str]:
    """Show the results as a table."""
    yield from results.before.markdown(results.after)
    yield from (f"* left out: {name}: {why}" for name, why in results.left_out.items())
    yield ""
    yield "* ours decodes beside the encoder, in processes, and large JPEG files at a fraction"
    yield "  of their size; the other ways decode one photo after the other, in full"
    yield ""
    yield "| photos | way | photos a second | ours is times as fast | MB at most |"
    yield "|---|---|---|---|---|"
    for way in results.ways:
        rate, times = way.rate.text(1), way.ours_is.text(2)
        yield f"| {way.size} | {way.way} | {rate} | {times} | {way.megabytes:.0f} |"


@click.command()
@weights_option
@bundle_option
@work_option
@click.option(
    "--photos",
    type=click.IntRange(min=32),
    default=96,
    show_default=True,
    help="That each way tags in a round.",
)
@click.option(
    "--size", "sizes", type=click.Choice(list(SIZES)), multiple=True, help="Several; all otherwise."
)
@rounds_option(5)
@click.option(
    "--memory",
    type=click.IntRange(min=32),
    help="Measure our memory over so many photos of 12 MP, and nothing else.",
)
@json_option
def main(
    weights: str,
    bundle: Path | None,
    work: Path,
    photos: int,
    sizes: tuple[str, ...],
    rounds: int,
    memory: int | None,
    out: Path | None,
) -> None:
    """Measure and print a table."""
    with errors_as_lines():
        given = make_workspace(weights, bundle, work, say)
    if memory is not None:
        paths = make_photos(given.work / "12-MP", SIZES["12 MP"])
        command = commands(given, list_photos(paths, memory, given.work))[OURS]
        printed, peak = run_watched(command)
        click.echo(f"{memory} photos of 12 MP: {float(printed):.0f} s, {peak:.0f} MB at most")
        return
    before = this_machine()
    ways = [way for size in sizes or SIZES for way in measure(given, size, photos, rounds)]
    missing = unless_installed(FASTEMBED)
    left_out = {FASTEMBED: f"{missing.reason}: {missing.detail}"} if missing else {}
    results = TaggingResults(before, this_machine(), photos, rounds, ways, left_out)
    report(markdown(results), results, out)


if __name__ == "__main__":
    main()
