"""Lines of a file, plain or gzipped, in constant memory whatever the file holds."""

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from geograph_types.errors import InputError
from geograph_types.system.threads import read_ahead

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
    """Unpack a stream block by block."""
    with open_stream(stream) as unpacked:
        while block := unpacked.read(size):
            yield block


GZIP_MAGIC: Final = b"\x1f\x8b"
BLOCK_BYTES: Final = 1 << 20
BLOCKS_AHEAD: Final = 4
LINE_LIMIT: Final = 1 << 20
"""Bytes of a line that are kept; a row of the published dataset has 3,000."""


def read_lines(path: Path) -> Iterator[bytes]:
    """Read lines with their line ends; the last one may have none.

    A gzipped file is told by its first bytes, not its name, and is unpacked in a thread of its
    own. What a line has beyond `LINE_LIMIT` bytes is lost, so that a bad line costs no memory.
    """
    try:
        with path.open("rb") as raw:
            if raw.peek(2)[:2] == GZIP_MAGIC:
                blocks = gunzip_blocks(raw, BLOCK_BYTES)
                yield from _lines(read_ahead(blocks, BLOCKS_AHEAD))
            else:
                yield from _lines(_blocks(raw))
    except GZIP_ERRORS as error:
        raise InputError(f"{path} is cut off or damaged ({error}): fetch it again") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error})") from None


def _blocks(stream: BinaryIO) -> Iterator[bytes]:
    while block := stream.read(BLOCK_BYTES):
        yield block


def _lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for block in blocks:
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            yield line[:LINE_LIMIT] + b"\n"
        rest = rest[:LINE_LIMIT]
    if rest:
        yield rest
