"""The process in which photos are decoded, so that what kills a decoder kills nothing else.

It is started by `pool`, reads paths from standard input and writes a reply to each. Replies are
data (msgpack), never code: a decoder that was taken over by a photo cannot reach further.
"""

import faulthandler
import hashlib
import os
import signal
import struct
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import IO, Final, TypeAlias

import msgspec
from PIL import AvifImagePlugin

from geograph_types.decoding.open import decode_photo
from geograph_types.decoding.thumbnail import thumbnail
from geograph_types.distance.exif import ExifPlaces
from geograph_types.errors import PhotoError, PhotoFault
from geograph_types.files.text import as_utf_8
from geograph_types.preprocess import preprocess
from geograph_types.system.memory import limit_memory

MEMORY_LIMIT: Final = 1 << 30
"""Bytes of a decoder's own memory: twice what the largest photo takes as RGB (120 MP, 480 MB)."""

READY: Final = b"\0ready for photos\0"
"""Before any answer; what was printed before it is no answer."""


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


def send(stream: IO[bytes], message: bytes) -> None:
    """Write a message behind its length."""
    stream.write(struct.pack("<I", len(message)) + message)
    stream.flush()


def receive(stream: IO[bytes]) -> bytes:
    """Read a message; EOFError if there is none, or not all of one."""
    head = stream.read(4)
    message = stream.read(struct.unpack("<I", head)[0]) if len(head) == 4 else b""
    if not message:
        raise EOFError
    return message


def main(time_limit: float, options: Options) -> None:
    """Answer until the other side closes the connection."""
    # They reach the whole group: a decoder that ended by itself would fail its photo.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    limit_memory(MEMORY_LIMIT)
    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # What C libraries print about a photo comes back as its reason.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    answers.write(READY)
    answers.flush()
    while True:
        try:
            path = Path(os.fsdecode(receive(sys.stdin.buffer)))
            # The parent keeps the time; this ends a hanging decoder whose parent is gone.
            faulthandler.dump_traceback_later(2 * time_limit + 1, exit=True)
            send(answers, msgspec.msgpack.encode(_reply(path, options)))
            faulthandler.cancel_dump_traceback_later()
        except (EOFError, OSError):
            return


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
    main(float(sys.argv[1]), msgspec.json.decode(sys.argv[2], type=Options))
