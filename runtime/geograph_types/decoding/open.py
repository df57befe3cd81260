"""Open a photograph safely: known formats only, a pixel limit, upright, 8 bits a channel."""

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

from PIL import Image, ImageOps, UnidentifiedImageError

from geograph_types.decoding.formats import OPENERS, RAW_SUFFIXES, format_of
from geograph_types.decoding.jpeg import (
    MISSING_LIMIT,
    complete_jpeg,
    has_hole,
    lacks_data,
    missing_share,
    progressive_memory,
    reduce_jpeg,
)
from geograph_types.decoding.png import without_extras
from geograph_types.distance.exif import NO_EXIF, ExifPlaces, read_exif_places
from geograph_types.errors import InputError, MissingExtraError, PhotoError, PhotoFault
from geograph_types.preprocess import to_8_bits

DECODER_VERSION: Final = 2
"""Changes when the same file gives other pixels, or is no longer refused: what a catalogue knows
of it then holds no longer."""

READ_AT_ONCE: Final = 1 << 20

PIXEL_LIMIT: Final = 120_000_000
"""Above medium format (102 MP), below what would take over half a gigabyte to decode."""

REDUCED_PIXEL_LIMIT: Final = 500_000_000
"""Of JPEG files that are decoded at a fraction of their size, as panoramas and the pictures of
200 MP that telephones take; but for progressive ones, whose decoder holds them whole."""

NOT_READ: Final = frozenset({"unknown pixel mode", "unknown data organization"})
"""What Pillow says of TIFF files with floats in colour, 16-bit LAB and the like."""

PIXEL_BYTES: Final = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}
"""What Pillow keeps of a pixel; of all other modes four bytes."""

DECODER_BYTES: Final = {"WebP": 16, "AVIF": 12, "HEIC": 12, "JPEG 2000": 24}
"""What a pixel takes with decoders that hold whole pictures of their own: WebP's holds two, and
returns a third, which Pillow copies; AVIF's holds planes, JPEG 2000's of 32 bits. HEIC is taken to
be like AVIF."""

PhotoLike: TypeAlias = str | PathLike[str] | bytes | Image.Image
"""A path, an encoded file's bytes, or an image that Pillow opened."""


@dataclass(frozen=True, slots=True, eq=False)
class DecodedPhoto:
    """A photo's pixels."""

    image: Image.Image  # upright, in the file's mode, deeper channels scaled to 8 bits
    truncated: bool = False  # rows are missing at its end, or detail
    exif: ExifPlaces = NO_EXIF


def open_photo(photo: PhotoLike, exact: bool = False) -> Image.Image:
    """Return the image of `decode_photo`, whether or not the file was cut off."""
    return decode_photo(photo, exact).image


def decode_photo(photo: PhotoLike, exact: bool = False) -> DecodedPhoto:
    """Decode a photo and turn it upright; every failure is a `PhotoError`.

    A cut-off JPEG file is used, and marked, while it has data for three quarters of its rows. Of a
    file with several pictures (animated, or with pages) the first is taken. Unless `exact`, large
    JPEG files are decoded at a fraction of their size with the shortest edge still at least 448.
    """
    if isinstance(photo, Image.Image):
        return DecodedPhoto(to_8_bits(_upright(photo)))
    if not isinstance(photo, str | bytes | PathLike):
        raise InputError(f"a photo is a path, bytes or a Pillow image, not {type(photo).__name__}")
    if isinstance(photo, bytes):
        return _decode(io.BytesIO(photo), len(photo), "image", exact)
    path = Path(photo)
    name = str(path)
    try:
        if path.is_dir():
            os.scandir(path).close()
            raise PhotoError(name, PhotoFault.NOT_A_FILE, "this is a folder")
        if path.exists() and not path.is_file():
            raise PhotoError(name, PhotoFault.NOT_A_FILE, "this is a device, pipe or socket")
        if path.suffix.casefold() in RAW_SUFFIXES:
            # Most are TIFF files whose first picture is a tiny preview.
            raise PhotoError(name, PhotoFault.UNSUPPORTED, "a RAW file: export it as JPEG")
        with path.open("rb") as file:
            return _decode(file, path.stat().st_size, name, exact)
    except FileNotFoundError:
        raise PhotoError(name, PhotoFault.NOT_FOUND, "there is no such file") from None
    except OSError as error:
        detail = error.strerror or str(error)
        raise PhotoError(name, PhotoFault.UNREADABLE, detail) from None
    except ValueError as error:
        raise PhotoError(name, PhotoFault.UNREADABLE, str(error)) from None


def decoding_memory(data: bytes) -> int:
    """Estimate the most memory, in bytes, that `decode_photo` takes for a photo, from its header.

    It is that of the pixels, twice, since turning them makes a copy, and once more in 8 bits if
    they are deeper; of WebP and AVIF what their decoders hold; and of a progressive JPEG all
    coefficients, which its decoder holds at full size.
    """
    if not data:
        raise PhotoError("image", PhotoFault.EMPTY, "the file has no bytes")
    file = io.BytesIO(data)
    with _named_faults(file, len(data), "image"):
        kind = _readable_format(file)
        image = _past_extras(_open, file, kind, False)
        width, height = image.size
        a_pixel = 2 * PIXEL_BYTES.get(image.mode, 4) + image.mode.startswith(("I", "F"))
        a_pixel = max(a_pixel, DECODER_BYTES.get(kind, 0))
        coefficients = progressive_memory(OPENERS[kind](io.BytesIO(data))) if kind == "JPEG" else 0
        return width * height * a_pixel + coefficients


def _decode(file: BinaryIO, size: int, name: str, exact: bool) -> DecodedPhoto:
    if size == 0:
        raise PhotoError(name, PhotoFault.EMPTY, "the file has no bytes")
    with _named_faults(file, size, name):
        kind = _readable_format(file)
        truncated = False
        if kind == "JPEG":
            image, truncated = _load_jpeg(file, exact)
        else:
            image = _past_extras(_load, file, kind, exact)
        exif = _exif_places(image)
        return DecodedPhoto(to_8_bits(_upright(image, in_place=True)), truncated, exif)


@contextmanager
def _named_faults(file: BinaryIO, size: int, name: str) -> Iterator[None]:
    """Raise whatever a decoder raises as a `PhotoError` with the photo's name."""
    try:
        yield
    except PhotoError as error:
        raise PhotoError(name, error.fault, error.detail) from None
    except MissingExtraError as error:
        raise PhotoError(name, PhotoFault.UNSUPPORTED, f"HEIC: {error}") from None
    except MemoryError:
        raise PhotoError(
            name, PhotoFault.TOO_MUCH_MEMORY, "decoding takes too much memory: export it smaller"
        ) from None
    except Image.DecompressionBombError as error:
        raise PhotoError(name, PhotoFault.TOO_MANY_PIXELS, str(error)) from None
    except Exception as error:  # decoders raise a dozen unrelated classes on damaged files
        if isinstance(error, OSError) and error.errno is not None:
            # The system's, where decoders' own have no number: the next reading may go well.
            raise PhotoError(name, PhotoFault.UNREADABLE, error.strerror or str(error)) from None
        _read_through(file, size, name)
        file.seek(0)
        kind = format_of(file)
        detail = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, UnidentifiedImageError):
            detail = "its header is damaged"  # Pillow's own words name an object of Python
        if kind == "TIFF" and detail in NOT_READ:
            advice = f"a TIFF file with an {detail}: export it as JPEG"
            raise PhotoError(name, PhotoFault.UNSUPPORTED, advice) from None
        raise PhotoError(name, PhotoFault.DAMAGED, f"{kind}: {detail}") from None


def _read_through(file: BinaryIO, size: int, name: str) -> None:
    """Check that a photo which cannot be decoded can be read: the drive may be at fault.

    Decoders that read by themselves do not distinguish the two.
    """
    try:
        file.seek(0)
        left = size
        while part := file.read(min(left, READ_AT_ONCE)):
            left -= len(part)
    except OSError as error:
        detail = error.strerror or str(error)
        raise PhotoError(name, PhotoFault.UNREADABLE, detail) from None
    if left:
        detail = f"it ends {left} bytes before the end: it was changed while it was read"
        raise PhotoError(name, PhotoFault.UNREADABLE, detail)


def _readable_format(file: BinaryIO) -> str:
    kind = format_of(file)
    if kind is None:
        formats = ", ".join(OPENERS)
        detail = f"not an image in one of the formats {formats}"
        raise PhotoError("image", PhotoFault.NOT_AN_IMAGE, detail)
    if kind not in OPENERS:
        raise PhotoError("image", PhotoFault.UNSUPPORTED, f"a {kind} file: export it as JPEG")
    return kind


def _open(file: BinaryIO, kind: str, exact: bool) -> Image.Image:
    """Read the header, choose the size at which to decode, and check it."""
    file.seek(0)
    image = OPENERS[kind](file)
    width, height = image.size
    limit = PIXEL_LIMIT
    if kind == "JPEG" and not exact:
        limit = PIXEL_LIMIT if progressive_memory(image) else REDUCED_PIXEL_LIMIT
        reduce_jpeg(image)
    if width * height > limit or image.width * image.height > PIXEL_LIMIT:
        raise PhotoError(
            "image",
            PhotoFault.TOO_MANY_PIXELS,
            f"{width}x{height} is over the limit of {limit / 1e6:.0f} megapixels",
        )
    return image


def _load(file: BinaryIO, kind: str, exact: bool) -> Image.Image:
    image = _open(file, kind, exact)
    image.load()
    return image


def _load_jpeg(file: BinaryIO, exact: bool) -> tuple[Image.Image, bool]:
    """Load a photo as far as its file goes, and report whether it was cut off."""
    image = _open(file, "JPEG", exact)
    cut_off = False
    try:
        image.load()
    except OSError as error:
        if error.errno is not None:
            raise
        cut_off = True
        image = _load(complete_jpeg(file), "JPEG", exact)
    missing = missing_share(image)
    cut_off = cut_off or has_hole(file)
    if missing and not cut_off:
        cut_off = lacks_data(file, image, lambda longer: _load(longer, "JPEG", exact))
    if cut_off and missing > MISSING_LIMIT:
        detail = f"the file is cut off: {missing:.0%} of the rows are missing"
        raise PhotoError("image", PhotoFault.DAMAGED, detail)
    return image, cut_off


def _past_extras(
    read: Callable[[BinaryIO, str, bool], Image.Image], file: BinaryIO, kind: str, exact: bool
) -> Image.Image:
    """Open or load an image; if a PNG file is damaged, without what its pixels do not need."""
    try:
        return read(file, kind, exact)
    except (SyntaxError, ValueError):
        if kind != "PNG":
            raise
        return read(without_extras(file), kind, exact)


def _exif_places(image: Image.Image) -> ExifPlaces:
    try:
        return read_exif_places(image.getexif())
    except MemoryError:
        raise
    except Exception as error:  # damaged EXIF, in any way; the pixels are good
        return ExifPlaces(problems=(f"EXIF cannot be read ({error})",))


def _upright(image: Image.Image, in_place: bool = False) -> Image.Image:
    """Turn an image as its EXIF says; in place saves a copy of one that is upright already."""
    try:
        if not in_place:
            return ImageOps.exif_transpose(image)
        ImageOps.exif_transpose(image, in_place=True)
    except MemoryError:
        raise
    except Exception:  # damaged EXIF, in any way; the pixels are good
        return image
    return image
