"""Open a photograph safely: known formats only, a pixel limit, upright."""

import io
import struct
import zlib
from os import PathLike
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

from PIL import Image, ImageOps, UnidentifiedImageError

from geograph_types.errors import InputError, PhotoError, PhotoFault

__all__ = ["FORMATS", "PIXEL_LIMIT", "PhotoLike", "open_photo", "photo_name"]

FORMATS: Final = ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")
"""Decoders that may see the bytes."""

PIXEL_LIMIT: Final = 120_000_000
"""Above any camera of today (102 MP), below what would take over half a gigabyte to decode."""

PhotoLike: TypeAlias = str | PathLike[str] | bytes | Image.Image
"""A path, an encoded file's bytes, or an image that Pillow opened."""


def photo_name(photo: PhotoLike) -> str:
    """Name a photo in messages and results; "image" where it has no name."""
    if isinstance(photo, bytes | Image.Image):
        return "image"
    return str(Path(photo))


def open_photo(photo: PhotoLike) -> Image.Image:
    """Decode a photo in full and turn it upright.

    Args:
        photo: a path, bytes, or an opened image, which is used as it is but for its orientation.

    Returns:
        The upright image, in the mode that the file has.

    Raises:
        PhotoError: with a reason of the closed list `PhotoFault`.
        InputError: `photo` is none of these.
    """
    if isinstance(photo, Image.Image):
        return _upright(photo, "image")
    if not isinstance(photo, str | bytes | PathLike):
        raise InputError(f"a photo is a path, bytes or a Pillow image, not {type(photo).__name__}")
    name = photo_name(photo)
    if isinstance(photo, bytes):
        return _decode(io.BytesIO(photo), len(photo), name)
    path = Path(photo)
    try:
        if path.is_dir():
            raise PhotoError(name, PhotoFault.NOT_A_FILE, "this is a folder")
        if path.exists() and not path.is_file():
            raise PhotoError(name, PhotoFault.NOT_A_FILE, "this is a device, pipe or socket")
        with path.open("rb") as file:
            return _decode(file, path.stat().st_size, name)
    except FileNotFoundError:
        raise PhotoError(name, PhotoFault.NOT_FOUND, "there is no such file") from None
    except (OSError, ValueError) as error:
        raise PhotoError(name, PhotoFault.UNREADABLE, str(error)) from None


def _decode(file: BinaryIO, size: int, name: str) -> Image.Image:
    if size == 0:
        raise PhotoError(name, PhotoFault.EMPTY, "the file has no bytes")
    try:
        image = Image.open(file, formats=FORMATS)
    except UnidentifiedImageError:
        raise PhotoError(
            name, PhotoFault.NOT_AN_IMAGE, f"no image of the formats {', '.join(FORMATS)}"
        ) from None
    except Image.DecompressionBombError as error:
        raise PhotoError(name, PhotoFault.TOO_MANY_PIXELS, str(error)) from None
    except (OSError, ValueError, SyntaxError, struct.error, zlib.error) as error:
        raise PhotoError(name, PhotoFault.DAMAGED, str(error)) from None
    width, height = image.size
    if width * height > PIXEL_LIMIT:
        raise PhotoError(
            name,
            PhotoFault.TOO_MANY_PIXELS,
            f"{width}x{height} is over the limit of {PIXEL_LIMIT / 1e6:.0f} megapixels",
        )
    try:
        image.load()
    except (OSError, ValueError, SyntaxError, struct.error, zlib.error, MemoryError) as error:
        raise PhotoError(name, PhotoFault.DAMAGED, str(error)) from None
    return _upright(image, name)


def _upright(image: Image.Image, name: str) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except (OSError, ValueError, SyntaxError, TypeError, struct.error, KeyError):
        # Damaged EXIF says nothing about orientation; the pixels are good.
        return image
