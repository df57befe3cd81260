"""The process in which photos are decoded, so that what kills a decoder kills nothing else.

It is started by `geograph_types.decoder`, reads paths from a connection and writes a reply to each.
What it says is data (msgpack), never code: a decoder that was taken over by a photo cannot reach
further through it.
"""

import os
import resource
import signal
import sys
import warnings
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final, TypeAlias

import msgspec
from PIL import AvifImagePlugin

from geograph_types.errors import PhotoError, PhotoFault
from geograph_types.images import decode_photo
from geograph_types.preprocess import preprocess

__all__ = ["MEMORY_LIMIT", "READY", "Pixels", "Refusal", "Reply"]

MEMORY_LIMIT: Final = 1 << 30
"""Bytes of a worker's own memory: twice what the largest photo takes as RGB (120 MP, 480 MB)."""

READY: Final = b"ready"
"""The first message, before any photo."""


class Pixels(msgspec.Struct, frozen=True, tag=True):
    """A photo as the encoder reads it.

    Attributes:
        data: uint8 [224, 224, 3], as bytes.
        truncated: the file was cut off.
    """

    data: bytes
    truncated: bool


class Refusal(msgspec.Struct, frozen=True, tag=True):
    """Why a photo cannot be used."""

    fault: PhotoFault
    detail: str


Reply: TypeAlias = Pixels | Refusal


def main(descriptor: int, time_limit: float, exact: bool) -> None:
    """Answer until the other side closes the connection."""
    # Ctrl-C reaches the whole group: the parent decides what becomes of its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _limit_memory()
    warnings.simplefilter("ignore")
    # What C libraries print about a photo comes back as its reason.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    connection = Connection(descriptor)
    connection.send_bytes(READY)
    while True:
        try:
            path = Path(os.fsdecode(connection.recv_bytes()))
            # The parent keeps the time; this ends a hanging decoder whose parent is gone.
            signal.setitimer(signal.ITIMER_REAL, 2 * time_limit + 1)
            connection.send_bytes(msgspec.msgpack.encode(_reply(path, exact)))
            signal.setitimer(signal.ITIMER_REAL, 0)
        except (EOFError, OSError):
            return


def _limit_memory() -> None:
    # Private writable memory; RLIMIT_AS would count libraries and reserved addresses as well.
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    limit = MEMORY_LIMIT if most == resource.RLIM_INFINITY else min(MEMORY_LIMIT, most)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _reply(path: Path, exact: bool) -> Reply:
    try:
        photo = decode_photo(path, exact)
        return Pixels(preprocess(photo.image).tobytes(), photo.truncated)
    except PhotoError as error:
        return Refusal(error.fault, error.detail.encode(errors="backslashreplace").decode())
    except MemoryError:
        return Refusal(PhotoFault.TOO_MUCH_MEMORY, "resizing takes too much memory")


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3] == "exact")
