import io

import numpy as np
import pytest
from numpy.typing import NDArray
from pictures import cosines, encoded, png16, tiff
from PIL import Image
from sklearn.datasets import load_sample_images

from geograph_types import TypeTagger, preprocess
from geograph_types.decoding.open import open_photo
from geograph_types.errors import PhotoError, PhotoFault


@pytest.fixture(scope="module")
def photograph() -> NDArray[np.uint8]:
    return np.asarray(load_sample_images().images[0])


def grey(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(pixels).convert("L"))


def deep(pixels: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Spread 8 bits over 16 and fill the lower ones, as a scanner would."""
    noise = np.random.default_rng(2).integers(-60, 60, pixels.shape)
    return np.clip(pixels.astype(int) * 257 + noise, 0, 65_535).astype(np.uint16)


@pytest.mark.parametrize("colour", [False, True])
def test_sixteen_bits_are_scaled(photograph: NDArray[np.uint8], colour: bool) -> None:
    expected = photograph if colour else grey(photograph)
    files = [png16(deep(expected)), tiff(deep(expected)), tiff(deep(expected), ">")]
    if not colour:
        files.append(encoded(Image.fromarray(deep(expected)), "TIFF", compression="tiff_lzw"))
    for data in files:
        image = open_photo(data)
        assert image.mode == ("RGB" if colour else "L")
        assert np.abs(np.asarray(image, int) - expected).max() <= 1


def test_other_depths_are_scaled_too(photograph: NDArray[np.uint8]) -> None:
    expected = grey(photograph)
    fine = deep(expected).astype(np.float64)
    files = {
        "12 bits": tiff((fine / 16).astype(np.uint16), bits=12),
        "32 bits": tiff(fine.astype(np.uint32)),
        "32 bits of 8": tiff(expected.astype(np.uint32)),
        "float of 1": tiff((fine / 65_535).astype(np.float32)),
        "float of 255": tiff((fine / 257).astype(np.float32), ">"),
    }
    for name, data in files.items():
        pixels = np.asarray(open_photo(data), int)
        assert np.abs(pixels - expected).max() <= 1, name


def test_levels_below_zero_are_black_at_the_darkest() -> None:
    ramp = np.linspace(-3000, 9000, 64 * 48).reshape(48, 64)
    for dtype in (np.int16, np.float32):
        pixels = np.asarray(open_photo(tiff(ramp.astype(dtype))))
        assert (pixels.min(), pixels.max()) == (0, 255)
        assert abs(int(pixels[24, 0]) - 128) <= 2


@pytest.mark.parametrize("order", ["<", ">"])
def test_files_whose_0_is_white_are_turned_round(photograph: NDArray[np.uint8], order: str) -> None:
    expected = grey(photograph)
    fine = deep(255 - expected).astype(np.float64)
    files = {
        "8 bits": tiff(255 - expected, order, photometric=0),
        "16 bits": tiff(fine.astype(np.uint16), order, photometric=0),
        "32 bits": tiff(fine.astype(np.uint32), order, photometric=0),
        "float": tiff((fine / 65_535).astype(np.float32), order, photometric=0),
    }
    if order == "<":
        files["12 bits"] = tiff((fine / 16).astype(np.uint16), bits=12, photometric=0)
    for name, data in files.items():
        try:
            opened = Image.open(io.BytesIO(data))
            opened.load()
        except OSError:
            continue
        found = np.asarray(open_photo(data), int)
        assert np.abs(found - expected).max() <= 1, name
        assert np.abs(preprocess(opened).astype(int) - preprocess(open_photo(data))).max() <= 2


def test_infinite_levels_are_no_photo() -> None:
    with pytest.raises(PhotoError) as caught:
        open_photo(tiff(np.full((8, 8), np.inf, np.float32)))
    assert caught.value.fault is PhotoFault.DAMAGED


def test_preprocessing_scales_images_that_pillow_opened(photograph: NDArray[np.uint8]) -> None:
    opened = Image.open(io.BytesIO(png16(deep(grey(photograph)))))
    assert opened.mode == "I;16"
    expected = preprocess(Image.fromarray(grey(photograph)))
    assert np.abs(preprocess(opened).astype(int) - expected).max() <= 2


def test_vectors_of_16_bits_are_those_of_8(bundle: object, photograph: NDArray[np.uint8]) -> None:
    tagger = TypeTagger(bundle, precision="fp32")  # type: ignore[arg-type]
    shallow = [Image.fromarray(photograph), Image.fromarray(grey(photograph))]
    expected = tagger.embed(shallow)
    found = tagger.embed([png16(deep(photograph)), tiff(deep(grey(photograph)), ">")])
    assert cosines(found, expected).min() >= 0.99
