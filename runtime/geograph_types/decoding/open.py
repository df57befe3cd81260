"""Open a photograph safely: known formats only, a pixel limit, upright, 8 bits a channel."""

import io
import os
from dataclasses import dataclass
from functools import cache
from os import PathLike
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

from PIL import Image, ImageOps, UnidentifiedImageError

from geograph_types.decoding.jpeg import (
    MISSING_LIMIT,
    complete_jpeg,
    missing_share,
    progressive_memory,
    reduce_jpeg,
)
from geograph_types.distance.exif import NO_EXIF, ExifPlaces, read_exif_places
from geograph_types.errors import InputError, MissingExtraError, PhotoError, PhotoFault
from geograph_types.preprocess import to_8_bits

SUFFIXES: Final = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".avif"),
        *(".heic", ".heif", ".hif"),
    }
)
"""Of the photos in a folder; a file that is named itself may have any suffix."""

RAW_SUFFIXES: Final = frozenset(
    {
        *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".iiq", ".kdc"),
        *(".mef", ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2", ".rwl"),
        *(".sr2", ".srf", ".srw", ".x3f"),
    }
)
"""Of sensor data, which cameras write instead of a photo or beside it."""

FORMATS: Final = ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")
"""Decoders that may see the bytes; HEIC's is one more if the extra is installed."""

HEIC_BRANDS: Final = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
)
"""Of the file type box. Source: ISO/IEC 23008-12, annex B.4."""

BRANDS_READ: Final = 128
"""Bytes of the file type box that are looked at: 28 brands, where cameras write a few."""

READ_AT_ONCE: Final = 1 << 20

PIXEL_LIMIT: Final = 120_000_000
"""Above medium format (102 MP), below what would take over half a gigabyte to decode. The pictures
of 200 MP that some telephones can take are refused."""

PIXEL_BYTES: Final = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}
"""What Pillow keeps of a pixel; of all other modes four bytes."""

DECODER_BYTES: Final = {"WEBP": 16, "AVIF": 12, "HEIF": 12}
"""What a pixel takes with decoders that hold whole pictures of their own: WebP's holds two, and
returns a third, which Pillow copies; AVIF's holds planes. HEIC is taken to be like AVIF."""

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
    try:
        image = _open(io.BytesIO(data), "image", exact=True)
        coefficients = 0
        if image.format in ("JPEG", "MPO"):
            coefficients = progressive_memory(image)
            reduce_jpeg(image)
        width, height = image.size
        a_pixel = 2 * PIXEL_BYTES.get(image.mode, 4) + image.mode.startswith(("I", "F"))
        a_pixel = max(a_pixel, DECODER_BYTES.get(image.format or "", 0))
        return width * height * a_pixel + coefficients
    except PhotoError:
        raise
    except Exception as error:  # as in `_decode`
        detail = " ".join(str(error).split()) or type(error).__name__
        raise PhotoError("image", PhotoFault.DAMAGED, detail) from None


def _decode(file: BinaryIO, size: int, name: str, exact: bool) -> DecodedPhoto:
    if size == 0:
        raise PhotoError(name, PhotoFault.EMPTY, "the file has no bytes")
    try:
        image = _open(file, name, exact)
        try:
            image.load()
        except OSError as error:
            if error.errno is not None or image.format not in ("JPEG", "MPO"):
                raise
            image = _rest_of_jpeg(file, name, exact)
            exif = _exif_places(image)
            return DecodedPhoto(_upright(image, in_place=True), truncated=True, exif=exif)
        exif = _exif_places(image)
        return DecodedPhoto(to_8_bits(_upright(image, in_place=True)), exif=exif)
    except PhotoError as error:
        raise PhotoError(name, error.fault, error.detail) from None
    except MemoryError:
        raise PhotoError(
            name, PhotoFault.TOO_MUCH_MEMORY, "decoding takes too much memory: export it smaller"
        ) from None
    except Exception as error:  # decoders raise a dozen unrelated classes on damaged files
        if isinstance(error, OSError) and error.errno is not None:
            # The system's, where decoders' own have no number: the next reading may go well.
            raise PhotoError(name, PhotoFault.UNREADABLE, error.strerror or str(error)) from None
        _read_through(file, size, name)
        detail = " ".join(str(error).split()) or type(error).__name__
        raise PhotoError(name, PhotoFault.DAMAGED, detail) from None


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


def _open(file: BinaryIO, name: str, exact: bool) -> Image.Image:
    """Read the header, check the size, and choose the size at which to decode."""
    try:
        image = Image.open(file, formats=_formats(file, name))
    except UnidentifiedImageError:
        raise PhotoError(
            name, PhotoFault.NOT_AN_IMAGE, f"no image of the formats {', '.join(FORMATS)}"
        ) from None
    except Image.DecompressionBombError as error:
        raise PhotoError(name, PhotoFault.TOO_MANY_PIXELS, str(error)) from None
    width, height = image.size
    if width * height > PIXEL_LIMIT:
        raise PhotoError(
            name,
            PhotoFault.TOO_MANY_PIXELS,
            f"{width}x{height} is over the limit of {PIXEL_LIMIT / 1e6:.0f} megapixels",
        )
    if not exact and image.format in ("JPEG", "MPO"):
        reduce_jpeg(image)
    return image


def _formats(file: BinaryIO, name: str) -> tuple[str, ...]:
    """Recognise HEIC by its header, and register its decoder only then."""
    head = file.read(BRANDS_READ)
    file.seek(0)
    length = min(int.from_bytes(head[:4]), len(head))
    brands = {head[start : start + 4] for start in range(8, length, 4)}
    if head[4:8] != b"ftyp" or not brands & HEIC_BRANDS:
        return FORMATS
    try:
        _register_heif()
    except MissingExtraError as error:
        raise PhotoError(name, PhotoFault.UNSUPPORTED, f"HEIC: {error}") from None
    return ("HEIF",)


@cache
def _register_heif() -> None:
    """Register HEIC, as telephones write it, with Pillow."""
    try:
        import pi_heif
    except ModuleNotFoundError:
        raise MissingExtraError("pi-heif", "heif") from None
    # One thread: photos are decoded beside one another already.
    pi_heif.register_heif_opener(
        thumbnails=False, depth_images=False, aux_images=False, decode_threads=1
    )


def _rest_of_jpeg(file: BinaryIO, name: str, exact: bool) -> Image.Image:
    image = _open(complete_jpeg(file), name, exact)
    image.load()
    missing = missing_share(image)
    if missing > MISSING_LIMIT:
        raise PhotoError(
            name, PhotoFault.DAMAGED, f"the file is cut off: {missing:.0%} of the rows are missing"
        )
    return image


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
