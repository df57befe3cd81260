"""Photos as files, byte for byte where no library writes them."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SHORT, LONG = 3, 4
ORIENTATION_TAG = 0x0112
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How a picture is stored, by the orientation that EXIF states."""


KINDS = {"u": 1, "i": 2, "f": 3}
"""TIFF's numbers of sample formats."""


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def small_photos(folder: Path, count: int, size: tuple[int, int] = (64, 48)) -> Path:
    """Fill a folder, which need not be there."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(8)
    for number in range(count):
        coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize(size).save(folder / f"{number:04}.jpg")
    return folder


def cosines(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.asarray((a * b).sum(axis=1) / norms, np.float32)


def chunk(name: bytes, body: bytes, checksum: int | None = None) -> bytes:
    """Write a chunk of PNG. Source: PNG specification, section 5.3."""
    right = zlib.crc32(name + body) if checksum is None else checksum
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", right)


def png16(pixels: NDArray[np.uint16]) -> bytes:
    """Write 16-bit grey or RGB. Source: PNG specification, sections 5 and 11."""
    height, width = pixels.shape[:2]
    rows = pixels.astype(">u2").reshape(height, -1)
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows), 1)
    header = struct.pack(">IIBBBBB", width, height, 16, 2 if pixels.ndim == 3 else 0, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def packed12(pixels: NDArray[np.generic]) -> bytes:
    pairs = pixels.reshape(-1, 2).astype(int)
    parts = [pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1] & 255]
    return np.stack(parts, 1).astype(np.uint8).tobytes()


def tiff(
    pixels: NDArray[np.generic],
    order: str = "<",
    bits: int | None = None,
    photometric: int | None = None,
) -> bytes:
    """Write an uncompressed TIFF of any depth. Source: TIFF 6.0, sections 2, 4 and 19."""
    height, width = pixels.shape[:2]
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    ordered = pixels.astype(pixels.dtype.newbyteorder(order))
    data = packed12(pixels) if bits == 12 else ordered.tobytes()
    depth, kind = bits or pixels.dtype.itemsize * 8, KINDS[pixels.dtype.kind]
    depths, formats = 8 + len(data), 8 + len(data) + 2 * channels
    if photometric is None:
        photometric = 2 if channels == 3 else 1
    tags = [
        (256, LONG, 1, width),
        (257, LONG, 1, height),
        (258, SHORT, channels, depths if channels > 2 else depth),
        (259, SHORT, 1, 1),
        (262, SHORT, 1, photometric),
        (273, LONG, 1, 8),
        (277, SHORT, 1, channels),
        (278, LONG, 1, height),
        (279, LONG, 1, len(data)),
        (339, SHORT, channels, formats if channels > 2 else kind),
    ]
    tail = struct.pack(f"{order}{2 * channels}H", *[depth] * channels, *[kind] * channels)
    directory = struct.pack(f"{order}H", len(tags))
    for tag, type_, count, value in tags:
        inline = "HH" if type_ == SHORT and count == 1 else "I"
        values = (value, 0) if inline == "HH" else (value,)
        directory += struct.pack(f"{order}HHI{inline}", tag, type_, count, *values)
    mark = b"II" if order == "<" else b"MM"
    start = struct.pack(f"{order}HI", 42, 8 + len(data) + len(tail))
    return mark + start + data + tail + directory + bytes(4)
