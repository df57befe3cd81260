"""Thousands of results with photos to show: pieces of photographs under many names."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from PIL import Image
from sklearn.datasets import load_sample_images

from geograph_types.distance import Distance
from geograph_types.errors import PhotoError, PhotoFault
from geograph_types.prediction import Prediction
from geograph_types.results import PhotoResult
from geograph_types.tags import final_tags
from geograph_types.taxonomy import CLASSES

__all__ = ["draw_results"]

PICTURES: Final = 100
SIDE: Final = 384
TYPES: Final = ("Geograph", "Inside", "From Above", "Cross Grid,Geograph", "Close Look,Extra")


def draw_results(
    folder: Path, count: int, thresholds: dict[str, float], seed: int
) -> Iterator[PhotoResult]:
    """Link photos into a folder and invent what a tagger would say of them."""
    chance = random.Random(seed)
    pictures = list(_pictures(folder, chance))
    for number in range(count):
        path = folder / f"{chance.choice(('IMG', 'DSC', 'walk'))}_{number:04}.jpg"
        types = chance.choice(TYPES) if chance.random() < 0.4 else ""
        if chance.random() < 0.01:
            error = PhotoError(str(path), PhotoFault.DAMAGED, "broken data stream")
            yield PhotoResult(path, None, error, types)
            continue
        path.hardlink_to(chance.choice(pictures))
        prediction = _prediction(chance, thresholds)
        yield PhotoResult(path, prediction, None, types, truncated=chance.random() < 0.01)


def _pictures(folder: Path, chance: random.Random) -> Iterator[Path]:
    photographs = [Image.fromarray(pixels) for pixels in load_sample_images().images]
    for number in range(PICTURES):
        whole = chance.choice(photographs)
        left, top = chance.randrange(whole.width - SIDE), chance.randrange(whole.height - SIDE)
        path = folder / f".picture{number}.jpg"
        whole.crop((left, top, left + SIDE, top + SIDE)).save(path, quality=90)
        yield path


def _prediction(chance: random.Random, thresholds: dict[str, float]) -> Prediction:
    values = [chance.betavariate(0.3, 1.5) for _ in CLASSES]
    metres = chance.choice([None, chance.uniform(1, 20_000)])
    tags, low_confidence = final_tags(values, thresholds, None)
    return Prediction(
        dict(zip(CLASSES, values, strict=True)),
        tags,
        low_confidence,
        Distance.from_metres(metres),
        "drawn 1",
        stand_in=True,
    )
