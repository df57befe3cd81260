"""The process in which photos are decoded, so that what kills a decoder kills nothing else.

It is started by `pool`, reads paths from a connection and writes a reply to each. Replies are data
(msgpack), never code: a decoder that was taken over by a photo cannot reach further through them.
"""

import hashlib
import os
import resource
import signal
import sys
import warnings
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final, TypeAlias

import msgspec
from PIL import AvifImagePlugin

from geograph_types.decoding.open import decode_photo
from geograph_types.decoding.thumbnail import thumbnail
from geograph_types.distance.exif import ExifPlaces
from geograph_types.errors import PhotoError, PhotoFault
from geograph_types.files.text import as_utf_8
from geograph_types.preprocess import preprocess

MEMORY_LIMIT: Final = 1 << 30
"""Bytes of a decoder's own memory: twice what the largest photo takes as RGB (120 MP, 480 MB)."""

READY: Final = b"ready"
"""The first message, before any photo."""


class Pixels(msgspec.Struct, frozen=True, tag=True):
    """A photo as the encoder reads it; see `pool.PhotoPixels`."""

    data: bytes  # uint8 [224, 224, 3], as bytes
    truncated: bool
    exif: ExifPlaces
    sha256: bytes | None  # if it was asked for and the file stayed as it was meanwhile
    thumbnail: bytes | None


class Refusal(msgspec.Struct, frozen=True, tag=True):
    """Why a photo cannot be used."""

    fault: PhotoFault
    detail: str


Reply: TypeAlias = Pixels | Refusal


class Options(msgspec.Struct, frozen=True):
    """How photos are decoded, and what is made of them beside their pixels."""

    exact: bool = False  # large JPEG files in full
    digest: bool = False  # the SHA-256 of the file
    thumbnail: bool = False  # a WebP file


def main(descriptor: int, time_limit: float, options: Options) -> None:
    """Answer until the other side closes the connection."""
    # They reach the whole group: a decoder that ended by itself would fail its photo.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
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
            connection.send_bytes(msgspec.msgpack.encode(_reply(path, options)))
            signal.setitimer(signal.ITIMER_REAL, 0)
        except (EOFError, OSError):
            return


def _limit_memory() -> None:
    # Private writable memory; RLIMIT_AS would count libraries and reserved addresses as well.
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    limit = MEMORY_LIMIT if most == resource.RLIM_INFINITY else min(MEMORY_LIMIT, most)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _reply(path: Path, options: Options) -> Reply:
    try:
        before = _state(path)
        photo = decode_photo(path, options.exact)
        pixels = preprocess(photo.image)
        picture = thumbnail(pixels) if options.thumbnail else None
        sha256 = _sha256(path) if options.digest else None
        if _state(path) != before:
            # What was hashed may be another photo than what was decoded.
            sha256 = None
        # What problems quote may be anything.
        exif = replace(photo.exif, problems=tuple(map(as_utf_8, photo.exif.problems)))
        return Pixels(pixels.tobytes(), photo.truncated, exif, sha256, picture)
    except PhotoError as error:
        return Refusal(error.fault, as_utf_8(error.detail))
    except MemoryError:
        return Refusal(PhotoFault.TOO_MUCH_MEMORY, "resizing takes too much memory")


def _state(path: Path) -> tuple[int, int, int] | None:
    """Return what changes with a file; `None` if there is none, which decoding reports."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _sha256(path: Path) -> bytes:
    """Compute the digest of a file, which the system still has in memory."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        detail = error.strerror or str(error)
        raise PhotoError(str(path), PhotoFault.UNREADABLE, detail) from None


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), msgspec.json.decode(sys.argv[3], type=Options))
