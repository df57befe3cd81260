"""Photos with 16 bits a channel and more give what their 8-bit versions give."""

import io
import struct
import zlib

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_images

from geograph_types import TypeTagger, preprocess
from geograph_types.decoding.open import open_photo
from geograph_types.errors import PhotoError, PhotoFault

SHORT, LONG = 3, 4
UNSIGNED, SIGNED, FLOAT = 1, 2, 3


@pytest.fixture(scope="module")
def photograph() -> NDArray[np.uint8]:
    """uint8 [427, 640, 3]."""
    return np.asarray(load_sample_images().images[0])


def png16(pixels: NDArray[np.uint16]) -> bytes:
    """Write 16-bit grey or RGB. Source: PNG specification, sections 5 and 11."""
    height, width = pixels.shape[:2]
    rows = pixels.astype(">u2").reshape(height, -1)
    data = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, 16, 2 if pixels.ndim == 3 else 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(data, 1)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def tiff(
    pixels: NDArray[np.generic],
    order: str = "<",
    bits: int | None = None,
    white_is_zero: bool = False,
) -> bytes:
    """Write an uncompressed TIFF of any depth. Source: TIFF 6.0, sections 2, 4 and 19."""
    height, width = pixels.shape[:2]
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    data = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    if bits == 12:
        pairs = pixels.reshape(-1, 2).astype(int)
        packed = [pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1] & 255]
        data = np.stack(packed, 1).astype(np.uint8).tobytes()
    depth = bits or pixels.dtype.itemsize * 8
    kind = {"u": UNSIGNED, "i": SIGNED, "f": FLOAT}[pixels.dtype.kind]
    depths, formats = 8 + len(data), 8 + len(data) + 2 * channels
    tags = [
        (256, LONG, 1, width),
        (257, LONG, 1, height),
        (258, SHORT, channels, depths if channels > 2 else depth),
        (259, SHORT, 1, 1),
        (262, SHORT, 1, 2 if channels == 3 else int(not white_is_zero)),
        (273, LONG, 1, 8),
        (277, SHORT, 1, channels),
        (278, LONG, 1, height),
        (279, LONG, 1, len(data)),
        (339, SHORT, channels, formats if channels > 2 else kind),
    ]
    tail = struct.pack(f"{order}{2 * channels}H", *[depth] * channels, *[kind] * channels)
    entries = b"".join(
        struct.pack(f"{order}HHI", tag, type_, count)
        + (
            struct.pack(f"{order}HH", value, 0)
            if type_ == SHORT and count == 1
            else struct.pack(f"{order}I", value)
        )
        for tag, type_, count, value in tags
    )
    mark = b"II" if order == "<" else b"MM"
    start = struct.pack(f"{order}HI", 42, 8 + len(data) + len(tail))
    directory = struct.pack(f"{order}H", len(tags)) + entries + struct.pack(f"{order}I", 0)
    return mark + start + data + tail + directory


def grey(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(pixels).convert("L"))


def deep(pixels: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Spread 8 bits over 16 and fill the lower ones, as a scanner would."""
    noise = np.random.default_rng(2).integers(-60, 60, pixels.shape)
    return np.clip(pixels.astype(int) * 257 + noise, 0, 65_535).astype(np.uint16)


@pytest.mark.parametrize("colour", [False, True])
def test_sixteen_bits_are_scaled_and_not_clipped(
    photograph: NDArray[np.uint8], colour: bool
) -> None:
    expected = photograph if colour else grey(photograph)
    files = [png16(deep(expected)), tiff(deep(expected)), tiff(deep(expected), ">")]
    if not colour:
        buffer = io.BytesIO()
        Image.fromarray(deep(expected)).save(buffer, "TIFF", compression="tiff_lzw")
        files.append(buffer.getvalue())
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
        "8 bits": tiff(255 - expected, order, white_is_zero=True),
        "16 bits": tiff(fine.astype(np.uint16), order, white_is_zero=True),
        "32 bits": tiff(fine.astype(np.uint32), order, white_is_zero=True),
        "float": tiff((fine / 65_535).astype(np.float32), order, white_is_zero=True),
    }
    if order == "<":
        files["12 bits"] = tiff((fine / 16).astype(np.uint16), bits=12, white_is_zero=True)
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
    pixels = np.full((8, 8), np.inf, np.float32)
    with pytest.raises(PhotoError) as caught:
        open_photo(tiff(pixels))
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
    norms = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    assert ((found * expected).sum(axis=1) / norms).min() >= 0.99
