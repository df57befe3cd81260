"""What only JPEG offers: decoding at a fraction of the size, and the rest of a cut-off file."""

import io
import re
from collections.abc import Callable
from itertools import pairwise
from typing import BinaryIO, Final, TypeAlias

import numpy as np
from PIL import Image

from geograph_types.preprocess import CROP

Decode: TypeAlias = Callable[[BinaryIO], Image.Image]

END_OF_IMAGE: Final = b"\xff\xd9"

HEADERS: Final = (b"\xff\xc4", b"\xff\xda")
"""Markers of a Huffman table and of a scan; two length bytes follow. Source: ITU-T T.81, B.1.1."""

MARKER: Final = re.compile(rb"\xff[\x01-\xfe]")
FIRST_RESTART, RESTARTS = 0xD0, 8
"""Their number is in their last three bits. Source: ITU-T T.81, B.1.1.3."""

SECTOR: Final = 512
SECTOR_SLACK: Final = 4
"""Bytes beside a hole that may be zero as well."""

MORE_DATA: Final = bytes(range(1, 201)) * 4

NOT_DECODED: Final = (127, 128)
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
    """Compute the share of rows that look as if the decoder had no data for them."""
    width, height = image.size
    edge = np.asarray(image.crop((0, 0, 1, height))).reshape(height, -1)
    grey = (edge == NOT_DECODED[0]) | (edge == NOT_DECODED[1])
    candidates = np.flatnonzero(grey.all(axis=1)).tolist()
    rows = (image.crop((0, row, width, row + 1)) for row in candidates)
    return sum(row.getcolors(maxcolors=1) is not None for row in rows) / height


def has_hole(file: BinaryIO) -> bool:
    """Check whether sectors of a file's picture are zero, as where a copy was interrupted.

    Flat pictures may have as many zeros, but not from the start of a sector to the end of one.
    """
    file.seek(0)
    data = file.read()
    start = _first_scan(data)
    first = data.find(bytes(SECTOR), start)
    while 0 <= first < data.find(END_OF_IMAGE, start):
        last = len(data) - len(data[first:].lstrip(b"\0"))
        if -first % SECTOR < SECTOR_SLACK and last % SECTOR < SECTOR_SLACK:
            return True
        first = data.find(bytes(SECTOR), last)
    return False


def lacks_data(file: BinaryIO, image: Image.Image, decode: Decode) -> bool:
    """Check whether a file has less data than its picture needs, where some of its rows are grey.

    It does if restart markers, which are numbered, leave a number out; or if more data before the
    end marker change the picture: what follows the last block of a whole one is passed over.
    """
    file.seek(0)
    data = file.read()
    start = _first_scan(data)
    restarts = []
    for marker in MARKER.finditer(data, start):
        number = marker[0][1] - FIRST_RESTART
        if not 0 <= number < RESTARTS:
            break
        restarts.append(number)
    if any((later - earlier) % RESTARTS != 1 for earlier, later in pairwise(restarts)):
        return True
    end = data.find(END_OF_IMAGE, start)
    return decode(io.BytesIO(data[:end] + MORE_DATA + data[end:])).tobytes() != image.tobytes()


def _first_scan(data: bytes) -> int:
    """Find the first scan of the picture itself: a thumbnail lies within a segment."""
    place = 2
    while place + 4 <= len(data) and data[place : place + 2] != HEADERS[1]:
        place += 2 + int.from_bytes(data[place + 2 : place + 4])
    return place + 2
