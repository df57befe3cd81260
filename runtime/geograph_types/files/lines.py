"""Files that are opened once, pipes among them, and their lines, in constant memory."""

import gzip
import io
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
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

GZIP_MAGIC: Final = b"\x1f\x8b"
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
"""Windows puts it before UTF-8."""
BLOCK_BYTES: Final = 1 << 20
BLOCKS_AHEAD: Final = 4
LINE_LIMIT: Final = 1 << 20
"""Bytes of a line that are kept; a row of the published dataset has 3,000."""


@contextmanager
def open_input(path: Path) -> Iterator[BinaryIO]:
    """Open a file or a pipe, to be read to its end: a pipe cannot be opened again."""
    try:
        stream = path.open("rb")
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from None
    with stream:
        yield stream


def peek(stream: BinaryIO, size: int) -> tuple[bytes, BinaryIO]:
    """Return the first bytes, and a stream that still has them."""
    head = stream.read(size)
    if stream.seekable():
        stream.seek(0)
        return head, stream
    return head, cast(BinaryIO, io.BufferedReader(_Rejoined(head, stream)))


@contextmanager
def as_seekable(stream: BinaryIO) -> Iterator[BinaryIO]:
    """Pass a stream on, a pipe as a temporary file."""
    if stream.seekable():
        yield stream
        return
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(stream, copy, BLOCK_BYTES)
        copy.seek(0)
        yield cast(BinaryIO, copy)


class _Rejoined(io.RawIOBase):
    """The first bytes of a pipe, and what follows them."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._head or self._rest.read(len(buffer))
        taken = data[: len(buffer)]
        self._head = data[len(taken) :]
        buffer[: len(taken)] = taken
        return len(taken)


def gunzip_blocks(stream: BinaryIO, size: int) -> Iterator[bytes]:
    """Unpack a stream in blocks of at most `size` bytes; damage raises one of GZIP_ERRORS."""
    with open_stream(stream) as unpacked:
        while block := unpacked.read(size):
            yield block


def read_lines(stream: BinaryIO, path: Path) -> Iterator[bytes]:
    """Read lines with their line ends; the last one may have none.

    A gzipped file is recognised by its first bytes and unpacked in a thread of its own. What a line
    has beyond `LINE_LIMIT` bytes is lost, so that a bad line costs no memory.
    """
    try:
        head, stream = peek(stream, len(GZIP_MAGIC))
        if head == GZIP_MAGIC:
            blocks = read_ahead(gunzip_blocks(stream, BLOCK_BYTES), BLOCKS_AHEAD)
        else:
            blocks = _blocks(stream)
        yield from _lines(blocks)
    except GZIP_ERRORS as error:
        raise InputError(f"{path} is cut off or damaged ({error}): fetch it again") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error})") from None


def _blocks(stream: BinaryIO) -> Iterator[bytes]:
    while block := stream.read(BLOCK_BYTES):
        yield block


def _lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for number, block in enumerate(blocks):
        text = block if number else block.removeprefix(BYTE_ORDER_MARK)
        *whole, rest = (rest + text).split(b"\n")
        for line in whole:
            yield line[:LINE_LIMIT] + b"\n"
        rest = rest[:LINE_LIMIT]
    if rest:
        yield rest
