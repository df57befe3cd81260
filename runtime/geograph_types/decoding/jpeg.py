"""What only JPEG offers: decoding at a fraction of the size, and the rest of a cut-off file."""

import io
from typing import BinaryIO, Final

from PIL import Image

from geograph_types.preprocess import CROP

END_OF_IMAGE: Final = b"\xff\xd9"

HEADERS: Final = (b"\xff\xc4", b"\xff\xda")
"""Markers of a Huffman table and of a scan; two length bytes follow. Source: ITU-T T.81, B.1.1."""

NOT_DECODED: Final = frozenset({127, 128})
"""Levels of blocks that libjpeg had no data for: mid-grey, and the same inverted (CMYK)."""

MISSING_LIMIT: Final = 0.25
"""Largest share of rows that a cut-off photo may lack. Grey rows move the embedding steadily; with
a quarter of them it is still clearly the photo's own (tests/acceptance/test_decoding.py)."""


def reduce_jpeg(image: Image.Image) -> None:
    """Set libjpeg to decode an image that is not loaded yet at 1/2, 1/4 or 1/8 of its size.

    The shortest edge keeps at least twice what the encoder sees (448), so that the bicubic filter
    that follows still decides what the pixels are.
    """
    image.draft(None, (2 * CROP, 2 * CROP))


def progressive_memory(image: Image.Image) -> int:
    """Return the bytes of coefficients that a progressive file's decoder holds; 0 for others.

    Two bytes for each coefficient, a share of the pixels for each channel. Source: libjpeg's
    `jdcoefct.c`.
    """
    layers = getattr(image, "layer", ())
    if "progressive" not in image.info or not layers:
        return 0
    widest, highest = max(layer[1] for layer in layers), max(layer[2] for layer in layers)
    share: float = sum(layer[1] * layer[2] for layer in layers) / (widest * highest)
    return int(2 * image.width * image.height * share)


def complete_jpeg(file: BinaryIO) -> BinaryIO:
    """Add to a cut-off JPEG file the marker that libjpeg waits for.

    Rows without data then come out grey, and a progressive photo comes out with less detail.
    """
    file.seek(0)
    data = file.read()
    # Between the scans of a progressive file stand headers: one that is itself cut off is dropped.
    last = max(data.rfind(marker) for marker in HEADERS)
    length = 2 + max(2, int.from_bytes(data[last + 2 : last + 4]))
    if last >= 0 and last + length > len(data):
        data = data[:last]
    return io.BytesIO(data + END_OF_IMAGE)


def missing_share(image: Image.Image) -> float:
    """Measure the share of rows, from the bottom, that a completed photo has no data for."""
    width, height = image.size
    for missing in range(height):
        bottom = height - missing
        colours = image.crop((0, bottom - 1, width, bottom)).getcolors(maxcolors=1)
        if not colours or not NOT_DECODED.issuperset(_channels(colours[0][1])):
            return missing / height
    return 1.0


def _channels(colour: float | tuple[int, ...]) -> tuple[float, ...]:
    return colour if isinstance(colour, tuple) else (colour,)
