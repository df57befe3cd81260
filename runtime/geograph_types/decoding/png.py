"""A PNG file without what is not needed for its pixels: viewers pass over damage there."""

import io
import zlib
from typing import BinaryIO, Final

SIGNATURE: Final = 8
CHUNK_EXTRA: Final = 12
"""Bytes of a chunk's length, name and checksum. Source: PNG specification, section 5.3."""

KEPT: Final = (b"tRNS", b"eXIf")
KEPT_BYTES: Final = 1 << 20


def without_extras(file: BinaryIO) -> BinaryIO:
    """Leave out text, profiles and the like: ancillary chunks have a name in lower case."""
    file.seek(0)
    data = memoryview(file.read())
    kept = io.BytesIO()
    kept.write(data[:SIGNATURE])
    place = SIGNATURE
    while place < len(data):
        length = int.from_bytes(data[place : place + 4])
        chunk = data[place : place + CHUNK_EXTRA + length]
        name = bytes(chunk[4:8])
        intact = int.from_bytes(chunk[-4:]) == zlib.crc32(chunk[4:-4])
        needed = not name[:1].islower() or (name in KEPT and length <= KEPT_BYTES and intact)
        if needed:
            kept.write(chunk)
        place += len(chunk)
    kept.seek(0)
    return kept
