"""The formats that are read, recognised by a file's first bytes, and those that are only named."""

from collections.abc import Callable
from functools import cache
from typing import BinaryIO, Final

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from geograph_types.errors import MissingExtraError

SUFFIXES: Final = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".jps", ".png", ".webp", ".tif", ".tiff"),
        *(".avif", ".heic", ".heif", ".hif", ".gif", ".bmp", ".jp2", ".j2k", ".jpf", ".jpx"),
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

MAGIC: Final = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    **dict.fromkeys((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "TIFF"),
    **dict.fromkeys((b"GIF87a", b"GIF89a"), "GIF"),
    b"BM": "BMP",
    **dict.fromkeys((b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"), "JPEG 2000"),
    **dict.fromkeys((b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"), "JPEG XL"),
    b"8BPS": "Photoshop",
    b"FUJIFILMCCD-RAW": "RAW",
    **dict.fromkeys((b"II\x1a\0\0\0HEAPCCDR", b"IIU\0", b"IIRO", b"IIRS", b"\0MRM"), "RAW"),
}
"""First bytes of each format."""

BRANDS: Final = {
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis"), "HEIC"),
    **dict.fromkeys((b"hevc", b"hevx", b"hevm", b"hevs"), "HEIC"),
    b"crx ": "RAW",
}
"""Of the file type box. Source: ISO/IEC 23008-12, annex B.4; AVIF, section 8."""

BRANDS_READ: Final = 128
"""Bytes of the file type box that are looked at: 28 brands, where cameras write a few."""

OPENERS: Final[dict[str, Callable[[BinaryIO], Image.Image]]] = {
    "JPEG": JpegImagePlugin.jpeg_factory,
    "PNG": PngImagePlugin.PngImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "JPEG 2000": Jpeg2KImagePlugin.Jpeg2KImageFile,
    "HEIC": lambda file: _open_heic(file),
}
"""The only decoders that may see the bytes. HEIC's needs the extra."""


# Pillow knows these layouts only with 0 for black; `to_8_bits` turns the others round.
for layout, modes in list(TiffImagePlugin.OPEN_INFO.items()):
    order, photometric, kind, fill, bits, extra = layout
    if photometric == 1 and modes[0] in ("I;16", "I;16B", "I", "F"):
        TiffImagePlugin.OPEN_INFO.setdefault((order, 0, kind, fill, bits, extra), modes)


def format_of(file: BinaryIO) -> str | None:
    """Return the name of a file's format, by its first bytes; `None` if it is not known."""
    head = file.read(BRANDS_READ)
    file.seek(0)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[4:8] == b"ftyp":
        length = min(int.from_bytes(head[:4]), len(head))
        found = (BRANDS.get(head[start : start + 4]) for start in range(8, length, 4))
        return next(filter(None, found), None)
    return next((name for magic, name in MAGIC.items() if head.startswith(magic)), None)


def _open_heic(file: BinaryIO) -> Image.Image:
    _register_heif()
    return Image.open(file, formats=("HEIF",))


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
