"""Photos with more than 8 bits a channel, scaled to 8; a plain conversion would clip them.

Pillow itself keeps the upper byte of 16-bit colour and of 16-bit grey with alpha, so these arrive
with 8 bits. What is left is one channel: 16-bit grey ("I;16" and its byte orders), 32-bit integers
("I") and floats ("F").
"""

import math
from typing import Final

from PIL import Image

from geograph_types.errors import PhotoError, PhotoFault

__all__ = ["to_8_bits"]

BITS_PER_SAMPLE: Final = 258
"""TIFF tag. Source: TIFF 6.0, section 8."""

WHITES: Final = (255, 65_535)


def to_8_bits(image: Image.Image) -> Image.Image:
    """Scale a deep image to "L"; images of other modes are given back as they are.

    For 16-bit grey, white is 65,535, or what a TIFF file's own bits a sample say. Integers of 32
    bits and floats have no agreed white: it is the first of 1 (floats only), 255 and 65,535 that no
    pixel exceeds, or else the brightest pixel. Where levels are negative, the darkest pixel is
    black and the brightest white.

    Raises:
        PhotoError: a float image with infinite values.
    """
    mode = image.mode
    if mode.startswith("I;16"):
        black, white = 0.0, 2.0 ** _bits(image) - 1
        # Pillow computes with the machine's own byte order only.
        image = image if mode == "I;16" else image.convert("I")
    elif mode in ("I", "F"):
        black, white = _range(image)
    else:
        return image
    scale = 255 / (white - black)
    # Converting to "L" cuts off fractions: half a level makes that rounding.
    return image.point(lambda level: level * scale + (0.5 - black * scale)).convert("L")


def _bits(image: Image.Image) -> int:
    bits = getattr(image, "tag_v2", {}).get(BITS_PER_SAMPLE, (16,))[0]
    return bits if 8 <= bits <= 16 else 16


def _range(image: Image.Image) -> tuple[float, float]:
    low, high = image.getextrema()
    if not isinstance(low, int | float) or not isinstance(high, int | float):
        raise TypeError(f"mode {image.mode} has one channel")
    if not (math.isfinite(low) and math.isfinite(high)):
        raise PhotoError("image", PhotoFault.DAMAGED, "some of its pixels are infinite")
    if low < 0:
        return low, max(high, low + 1)
    whites = WHITES if image.mode == "I" else (1, *WHITES)
    return 0.0, next((white for white in whites if high <= white), high)
