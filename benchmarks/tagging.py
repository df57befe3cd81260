"""How many photos per second, from files to tags, against the plain way, in one alternating run.

    python benchmarks/tagging.py [--bundle DIR] [--photos 96] [--rounds 5] [--json FILE]

Ours is the int8 encoder with `embed_photos`' own settings. The plain way decodes and prepares
photos one after the other with Pillow and open_clip's transform, and runs batches of 32 in torch or
in the traced ONNX file, with their default threads. fastembed's image pipeline reads a local folder
with that file. Each run is a process of its own; models are loaded and warm before the clock
starts. `--memory 2000` measures memory over so many photos of 12 MP.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
from PIL import Image

from contenders.fastembed_tower import MODEL, fastembed_folder
from contenders.interface import Given, unless_installed
from contenders.traced_towers import traced_tower
from geograph_types.files.atomic import new_file
from measuring.command_line import (
    bundle_option,
    count_option,
    errors_as_lines,
    json_option,
    rounds_option,
    say,
    weights_option,
    work_option,
)
from measuring.memory import run_watched
from measuring.rounds import turns
from measuring.workspace import HEAD, make_workspace
from reporting.figures import Results, report

SCRIPTS = Path(__file__).parent / "whole_way"
SIZES = {"640 px": (640, 480), "12 MP": (4000, 3000)}
SCENES = 16
SEED = 11
GRAIN = 5.0
"""Standard deviation of the noise that gives drawn photos the file size of real ones."""
OURS = "ours, int8"
FASTEMBED = "fastembed"


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
    """Return the command of each way, ours first."""
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


def measure(results: Results, given: Given, size: str, photos: int, rounds: int) -> None:
    """Run every way once a round, in a new order each round."""
    paths = make_photos(given.work / size.replace(" ", "-"), SIZES[size])
    ways = commands(given, list_photos(paths, photos, given.work))
    rates: dict[str, list[float]] = {name: [] for name in ways}
    memory = dict.fromkeys(ways, 0.0)
    for number, name in turns(ways, rounds):
        say(f"{size}, round {number + 1} of {rounds}: {name}")
        printed, peak = run_watched(ways[name])
        rates[name].append(photos / float(printed))
        memory[name] = max(memory[name], peak)
    for name, values in rates.items():
        group = f"photos of {size}"
        results.add(group, name, "photos per second", values, more_is_better=True)
        results.add(f"memory at most, {size}", name, "MB", [memory[name]])


def list_photos(paths: Sequence[Path], count: int, work: Path) -> Path:
    """Write the paths over and over, so many in all."""
    listed = work / f"{paths[0].parent.name}-{count}.txt"
    lines = [str(paths[number % len(paths)]) for number in range(count)]
    listed.write_text("\n".join(lines) + "\n")
    return listed


@click.command()
@weights_option
@bundle_option
@work_option
@count_option("--photos", 96, "That each way tags in a round.", least=32)
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
    """Measure and print tables."""
    with errors_as_lines():
        given = make_workspace(weights, bundle, work, say)
    if memory is not None:
        paths = make_photos(given.work / "12-MP", SIZES["12 MP"])
        command = commands(given, list_photos(paths, memory, given.work))[OURS]
        printed, peak = run_watched(command)
        click.echo(f"{memory} photos of 12 MP: {float(printed):.0f} s, {peak:.0f} MB at most")
        return
    results = Results()
    results.notes.append(
        "ours decodes beside the encoder, in processes, and large JPEG files at a fraction of "
        "their size; the other ways decode one photo after the other, in full"
    )
    missing = unless_installed(FASTEMBED)
    if missing is not None:
        results.leave_out(FASTEMBED, missing)
    for size in sizes or SIZES:
        measure(results, given, size, photos, rounds)
    report(results, out)


if __name__ == "__main__":
    main()
