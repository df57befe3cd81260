import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from PIL import Image
from playwright.sync_api import Browser, sync_playwright
from sklearn.datasets import load_sample_images

from geograph_types import Bundle, Distance, Prediction
from geograph_types.cli.main import main
from geograph_types.errors import PhotoError, PhotoFault
from geograph_types.photos.result import PhotoResult
from geograph_types.tags import final_tags
from geograph_types.taxonomy import CLASSES
from geograph_types.thresholds import CertainThreshold, StateThresholds

BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
COUNT: Final = 5_000
PICTURES: Final = 100
SIDE: Final = 384
NAMES: Final = ("IMG_{}.jpg", "Walk {}.JPG", "<img src=x onerror=hacked()> {}.jpg", "été_{}.jpg")
TYPES: Final = ("Geograph", "Inside", "From Above", "Cross Grid,Geograph", "Close Look,Extra")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    paths = [path for name in BROWSERS if (path := shutil.which(name))]
    if not paths:
        pytest.fail(f"these tests need a browser: install one of {', '.join(BROWSERS)}")
    arguments = ["--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=paths[0], args=arguments)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def many_results(
    head_bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Bundle, list[PhotoResult]]:
    """A bundle, and what a tagger might say of photos that are there; no encoder ran."""
    bundle = Bundle.open(head_bundle)
    folder = tmp_path_factory.mktemp("photos")
    chance = random.Random(1)
    pictures = list(_pictures(folder, chance))
    results = []
    for number in range(COUNT):
        path = folder / chance.choice(NAMES).format(number)
        types = chance.choice(TYPES) if chance.random() < 0.4 else ""
        if chance.random() < 0.01:
            error = PhotoError(str(path), PhotoFault.DAMAGED, "broken data stream")
            results.append(PhotoResult(path, None, error, types))
            continue
        path.hardlink_to(chance.choice(pictures))
        said = _prediction(chance, bundle)
        truncated = chance.random() < 0.01
        problems = ("EXIF GPS latitude is out of range",) * (number % 97 == 0)
        results.append(PhotoResult(path, said, None, types, truncated, problems))
    return bundle, results


@pytest.fixture(scope="session")
def full_bundle(head_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with an untrained head and CLIP's whole architecture; not to be changed.

    It takes a minute to make and 350 MB: for tests in which the architecture matters.
    """
    folder = Path(shutil.copytree(head_bundle, tmp_path_factory.mktemp("full") / "bundle"))
    assert main(["export", "encoder", "--weights", "random:0", "--bundle", str(folder)]) == 0
    return folder


@pytest.fixture(scope="session")
def int8_bundle(full_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with encoders in float32 and int8, head and taggers; not to be changed."""
    folder = Path(shutil.copytree(full_bundle, tmp_path_factory.mktemp("int8") / "bundle"))
    command = ["export", "encoder", "--weights", "random:0", "--precision", "int8"]
    assert main([*command, "--bundle", str(folder)]) == 0
    return folder


def _pictures(folder: Path, chance: random.Random) -> Iterator[Path]:
    photographs = [Image.fromarray(pixels) for pixels in load_sample_images().images]
    for number in range(PICTURES):
        whole = chance.choice(photographs)
        left, top = chance.randrange(whole.width - SIDE), chance.randrange(whole.height - SIDE)
        path = folder / f".picture{number}.jpg"
        whole.crop((left, top, left + SIDE, top + SIDE)).save(path, quality=90)
        yield path


def _prediction(chance: random.Random, bundle: Bundle) -> Prediction:
    values = [chance.betavariate(0.3, 1.5) for _ in CLASSES]
    metres = chance.choice([None, chance.uniform(1, 20_000)])
    certain = {name: CertainThreshold(0.8, 0.3) for name in CLASSES}
    tags = bundle.manifest.thresholds.known.tags
    chosen = final_tags(values, StateThresholds(tags, certain), None)
    probabilities = dict(zip(CLASSES, values, strict=True))
    distance = Distance.from_metres(metres)
    return Prediction(probabilities, *chosen, distance, bundle.label, False)
