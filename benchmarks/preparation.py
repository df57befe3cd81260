"""How long a photo takes from its file to the encoder's pixels, against the usual way, alternating.

    python benchmarks/preparation.py [--rounds 15] [--json FILE]

Ours opens a photo safely and prepares it in one thread, as each of `tag`'s decoders does: `opening`
and `preprocessing` are also timed apart. The usual way is Pillow with open_clip's transform, which
goes on to normalised float32.
"""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click

from measuring.command_line import json_option, rounds_option, say, work_option
from measuring.rounds import turns
from reporting.figures import Results, report
from tagging import SIZES, make_photos

OURS: Final = "ours"
OPENING: Final = "ours, opening"
PREPROCESSING: Final = "ours, preprocessing"
USUAL: Final = "Pillow and open_clip's transform"


def measure(results: Results, size: str, paths: list[Path], rounds: int) -> None:
    """Take every way through all photos once a round, in a new order each round."""
    ways = _ways(paths)
    milliseconds: dict[str, list[float]] = {name: [] for name in ways}
    for number, name in turns(ways, rounds + 1):
        # The median photo: one that the machine was interrupted in does not count.
        median = statistics.median(map(_timed(ways[name]), range(len(paths))))
        if number:
            milliseconds[name].append(1000 * median)
    for name, values in milliseconds.items():
        results.add(f"photos of {size}", name, "ms a photo", values)


def _ways(paths: list[Path]) -> dict[str, Callable[[int], object]]:
    import open_clip
    from PIL import Image

    from geograph_types.decoding.open import open_photo
    from geograph_types.preprocess import preprocess

    transform = open_clip.image_transform(224, is_train=False)
    opened = [open_photo(path) for path in paths]
    return {
        OURS: lambda number: preprocess(open_photo(paths[number])),
        OPENING: lambda number: open_photo(paths[number]),
        PREPROCESSING: lambda number: preprocess(opened[number]),
        USUAL: lambda number: transform(Image.open(paths[number])),
    }


def _timed(step: Callable[[int], object]) -> Callable[[int], float]:
    def seconds(number: int) -> float:
        start = time.perf_counter()
        step(number)
        return time.perf_counter() - start

    return seconds


@click.command()
@work_option
@rounds_option(15)
@json_option
def main(work: Path, rounds: int, out: Path | None) -> None:
    """Measure and print a table."""
    import torch

    torch.set_num_threads(1)
    results = Results(notes=[f"one thread, {rounds} rounds"])
    for size, pixels in SIZES.items():
        say(f"{size}, {rounds} rounds")
        measure(results, size, make_photos(work / size.replace(" ", "-"), pixels), rounds)
    report(results, out)


if __name__ == "__main__":
    main()
