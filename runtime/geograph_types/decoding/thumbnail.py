"""A small picture of a photo, made where the photo is decoded."""

import io
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE: Final = 192
"""Width and height, in pixels."""

QUALITY: Final = 60
"""Of WebP: 5 kB for a photograph."""


def thumbnail(pixels: NDArray[np.uint8]) -> bytes:
    """Encode the middle square of a photo, as the encoder sees it, as a WebP file."""
    buffer = io.BytesIO()
    small = Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    # Method 2 takes half the time of the default, for 5 % more bytes.
    small.save(buffer, "WEBP", quality=QUALITY, method=2)
    return buffer.getvalue()
