"""How long a photo takes from its file to the encoder's pixels, against the usual way, alternating.

    python benchmarks/preparation.py [--rounds 15] [--json FILE]

Ours opens a photo safely and prepares it in one thread, as each of `tag`'s decoders does: `opening`
and `preprocessing` are also timed apart. The usual way is Pillow with open_clip's transform, which
goes on to normalised float32.
"""

import random
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import click
import msgspec

from measuring.command_line import json_option, report, rounds_option, say, work_option
from measuring.machine import Machine, this_machine
from measuring.spread import Spread, ratio, spread
from tagging import SIZES, make_photos

OURS: Final = "ours"
OPENING: Final = "ours, opening"
PREPROCESSING: Final = "ours, preprocessing"
USUAL: Final = "Pillow and open_clip's transform"


class Step(msgspec.Struct, frozen=True):
    """One way, or a part of ours, over one size of photos.

    Attributes:
        size: of the photos.
        name: of the way or part.
        seconds: a photo, of every round.
        milliseconds: a photo, over the rounds.
        of_ours: its time as a multiple of our whole way's in the same round.
    """

    size: str
    name: str
    seconds: list[float]
    milliseconds: Spread
    of_ours: Spread


class PreparationResults(msgspec.Struct, frozen=True):
    """One run of this benchmark."""

    before: Machine
    after: Machine
    rounds: int
    steps: list[Step]


def measure(size: str, paths: list[Path], rounds: int) -> list[Step]:
    """Take every way through all photos once a round, in a new order each round."""
    ways = _ways(paths)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    shuffled = random.Random(0)
    for number in range(rounds + 1):
        for name in shuffled.sample(list(ways), len(ways)):
            # The median photo: one that the machine was interrupted in does not count.
            median = statistics.median(map(_timed(ways[name]), range(len(paths))))
            if number:
                seconds[name].append(median)
    ours = seconds[OURS]
    return [
        Step(size, name, values, spread([1e3 * one for one in values]), ratio(values, ours))
        for name, values in seconds.items()
    ]


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


def markdown(results: PreparationResults) -> Iterator[str]:
    """Show the results as a table."""
    yield from results.before.markdown(results.after)
    yield f"* one thread, {results.rounds} rounds"
    yield ""
    yield "| photos | way | ms a photo (quartiles) | time / ours |"
    yield "|---|---|---|---|"
    for step in results.steps:
        times = f"{step.milliseconds.text(2)} | {step.of_ours.text(2)}"
        yield f"| {step.size} | {step.name} | {times} |"


@click.command()
@work_option
@rounds_option(15)
@json_option
def main(work: Path, rounds: int, out: Path | None) -> None:
    """Measure and print a table."""
    import torch

    torch.set_num_threads(1)
    before, steps = this_machine(), []
    for size, pixels in SIZES.items():
        say(f"{size}, {rounds} rounds")
        steps += measure(size, make_photos(work / size.replace(" ", "-"), pixels), rounds)
    results = PreparationResults(before, this_machine(), rounds, steps)
    report(markdown(results), results, out)


if __name__ == "__main__":
    main()
