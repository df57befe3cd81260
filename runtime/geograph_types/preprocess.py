"""CLIP's image transform, up to the point where the ONNX encoder takes over.

The encoder takes uint8 pixels: scaling to 0-1 and normalisation are folded into its first product.
`normalise` does the same in numpy, for whoever runs another encoder.

Source: openai/CLIP `clip/clip.py` and open_clip `transform.py` (`image_transform`, not training).
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from geograph_types.errors import PhotoError, PhotoFault

BITS_PER_SAMPLE: Final = 258
"""TIFF tag. Source: TIFF 6.0, section 8."""

PHOTOMETRIC: Final = 262
"""TIFF tag; 0 stands for files whose 0 is white. Source: TIFF 6.0, section 8."""

WHITES: Final = (255, 65_535)


def to_8_bits(image: Image.Image) -> Image.Image:
    """Scale a deep image to "L"; images of other modes are returned as they are.

    For 16-bit grey, white is 65,535, or what a TIFF file's own bits a sample say. Integers of 32
    bits and floats have no agreed white: it is the first of 1 (floats only), 255 and 65,535 that no
    pixel exceeds, or else the brightest pixel. Where levels are negative, the darkest pixel is
    black and the brightest white.
    """
    mode = image.mode
    if mode.startswith("I;16"):
        black, white = 0.0, 2.0 ** _bits(image) - 1
    elif mode in ("I", "F"):
        black, white = _range(image)
    else:
        return image
    if getattr(image, "tag_v2", {}).get(PHOTOMETRIC) == 0:
        black, white = white, black
    if mode not in ("I;16", "I", "F"):
        image = image.convert("I")  # Pillow computes with the machine's own byte order only
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


CROP: Final = 224
"""Side of the square that the encoder sees, in pixels."""

MEAN: Final = (0.48145466, 0.4578275, 0.40821073)
STD: Final = (0.26862954, 0.26130258, 0.27577711)

ELONGATION_LIMIT: Final = 500
"""The longer edge grows with the shorter one: beyond this ratio it would take gigabytes."""


def preprocess(image: Image.Image) -> NDArray[np.uint8]:
    """Turn an upright image of any mode into the pixels that the encoder reads.

    Shortest edge to 224 with Pillow's bicubic, the longer to `int(224 * long / short)`, centre
    crop, and only then to RGB: palettes and alpha are resized as they are, as CLIP does. What has
    more than 8 bits a channel is scaled to 8 first.

    Args:
        image: any Pillow image, orientation applied.

    Returns:
        uint8 [224, 224, 3], RGB.

    Raises:
        PhotoError: an edge is more than 500 times the other.
    """
    width, height = image.size
    short, long = min(width, height), max(width, height)
    if long > ELONGATION_LIMIT * short:
        raise PhotoError(
            "image",
            PhotoFault.TOO_ELONGATED,
            f"{width}x{height} is not a photo: an edge is over {ELONGATION_LIMIT} times the other",
        )
    size = (CROP * width // short, CROP * height // short)
    image = to_8_bits(image)
    if size != image.size:
        image = image.resize(size, Image.Resampling.BICUBIC)
    left = round((size[0] - CROP) / 2.0)
    top = round((size[1] - CROP) / 2.0)
    image = image.crop((left, top, left + CROP, top + CROP))
    return np.asarray(image.convert("RGB"))


def normalise(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Normalise uint8 [N, 224, 224, 3] as CLIP's transform ends, to float32 [N, 3, 224, 224]."""
    scaled = pixels.astype(np.float32) / np.float32(255)
    normalised = (scaled - np.array(MEAN, np.float32)) / np.array(STD, np.float32)
    return np.ascontiguousarray(normalised.transpose(0, 3, 1, 2))
