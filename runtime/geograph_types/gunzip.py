"""Unpack gzip streams; the only module of the runtime that imports isal.

isal takes half the time of Python's own gzip, which stands in where it is not installed: the bytes
are the same. The extra `archive` brings it.
"""

import gzip
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, cast

__all__ = ["GZIP_ERRORS", "gunzip_blocks"]

GZIP_ERRORS: tuple[type[Exception], ...] = (EOFError, gzip.BadGzipFile, zlib.error)
"""What a stream raises that is cut off or damaged."""

open_stream: Callable[[BinaryIO], Any] = gzip.open

try:
    from isal import igzip
    from isal.isal_zlib import IsalError
except ModuleNotFoundError:
    pass
else:
    # Its stub takes the class for an instance.
    GZIP_ERRORS += (cast(type[Exception], IsalError),)
    open_stream = igzip.open


def gunzip_blocks(stream: BinaryIO, size: int) -> Iterator[bytes]:
    """Unpack a stream block by block.

    Args:
        stream: of gzip's format, at its beginning.
        size: bytes of a block at most.

    Raises:
        One of GZIP_ERRORS: it is cut off or damaged.
    """
    with open_stream(stream) as unpacked:
        while block := unpacked.read(size):
            yield block
