import random

import numpy as np
import pytest
import torch
from open_clip.transform import image_transform
from PIL import Image
from sklearn.datasets import load_sample_images

from geograph_types import preprocess
from geograph_types.errors import PhotoError, PhotoFault
from geograph_types.preprocess import MEAN, STD, normalise

MODES = ("RGB", "L", "RGBA", "P", "CMYK")
PANORAMAS = [(400, 1), (1, 400), (3000, 223), (225, 4001), (5000, 500), (224, 224), (448, 224)]


def random_pairs() -> list[tuple[int, int]]:
    rng = random.Random(20)
    return [(rng.randint(1, 400), rng.randint(1, 400)) for _ in range(300)]


def draw(mode: str, size: tuple[int, int], seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    width, height = size
    rows, columns = np.mgrid[0:height, 0:width]
    waves = [np.sin(rows / (3 + 5 * k) + columns / (7 + 2 * k) + k) * 90 + 128 for k in range(4)]
    noisy = np.stack(waves, 2) + rng.normal(0, 25, (height, width, 4))
    pixels = np.clip(noisy, 0, 255).astype(np.uint8)
    if mode == "L":
        return Image.fromarray(pixels[..., 0])
    if mode == "P":
        image = Image.fromarray(pixels[..., :3]).quantize(64, Image.Quantize.FASTOCTREE)
        image.info["transparency"] = 7
        return image
    if mode == "CMYK":
        return Image.fromarray(pixels, "RGBA").convert("RGB").convert("CMYK")
    return Image.fromarray(pixels[..., : len(mode)])


@pytest.fixture(scope="module")
def reference_transform() -> object:
    return image_transform(224, is_train=False, mean=MEAN, std=STD)


def difference(transform: object, image: Image.Image) -> float:
    expected = transform(image.copy())  # type: ignore[operator]
    ours = normalise(preprocess(image)[None])[0]
    assert ours.shape == expected.shape == (3, 224, 224)
    return float((torch.from_numpy(ours) - expected).abs().max())


@pytest.mark.parametrize("mode", MODES)
def test_any_size_and_mode_equals_open_clip(reference_transform: object, mode: str) -> None:
    sizes = (random_pairs() + PANORAMAS)[MODES.index(mode) :: len(MODES)]
    assert len(sizes) >= 61
    worst = max(
        difference(reference_transform, draw(mode, size, seed)) for seed, size in enumerate(sizes)
    )
    assert worst <= 1e-6


def test_photographs_equal_open_clip(reference_transform: object) -> None:
    photographs = load_sample_images().images
    assert len(photographs) == 2
    for pixels in photographs:
        assert difference(reference_transform, Image.fromarray(pixels)) <= 1e-6


def test_the_encoder_gets_bytes_and_another_encoder_floats() -> None:
    pixels = preprocess(draw("RGB", (640, 480), 1))
    assert (pixels.dtype, pixels.shape) == (np.dtype("uint8"), (224, 224, 3))
    normalised = normalise(pixels[None])
    assert (normalised.dtype, normalised.shape) == (np.dtype("float32"), (1, 3, 224, 224))
    assert normalised.flags.c_contiguous


def test_an_edge_may_be_500_times_the_other_and_no_more() -> None:
    assert preprocess(Image.new("L", (1, 500), 9)).shape == (224, 224, 3)
    for width, height in ((65_500, 100), (1, 501)):
        with pytest.raises(PhotoError, match=f"{width}x{height}") as caught:
            preprocess(Image.new("L", (width, height)))
        assert (caught.value.photo, caught.value.fault) == ("image", PhotoFault.TOO_ELONGATED)
