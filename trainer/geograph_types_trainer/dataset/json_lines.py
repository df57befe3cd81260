"""The published dataset as it comes, JSON Lines: usable rows as arrays, the others by reason."""

import gzip
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final, cast

import msgspec
import numpy as np
from isal import igzip_threaded
from numpy.typing import NDArray

from geograph_types.embedding import EMBEDDING_DIMENSION
from geograph_types.errors import InputError, RowError, RowFault
from geograph_types.photos.labels import SPLITS
from geograph_types.stored.batch import DatasetBatch, embedding_row_faults
from geograph_types.stored.json_lines import decode_line
from geograph_types_trainer.labels import target_of


class SeenIds:
    """Remembers ids in a few sorted arrays, each at least twice as long as the next."""

    def __init__(self) -> None:
        self._sorted: list[NDArray[np.int64]] = []

    def repeated(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Check which ids came before, here or in an earlier call, and remember them all."""
        new, first = np.unique(ids, return_index=True)
        repeated = np.ones(len(ids), np.bool_)
        repeated[first] = False
        for known in self._sorted:
            place = np.minimum(np.searchsorted(known, ids), len(known) - 1)
            repeated |= known[place] == ids
        fresh = new[~repeated[first]]
        while self._sorted and len(self._sorted[-1]) < 2 * len(fresh):
            fresh = np.sort(np.concatenate([self._sorted.pop(), fresh]), kind="stable")
        if len(fresh):
            self._sorted.append(fresh)
        return repeated


BATCH_ROWS: Final = 8192
GZIP_MAGIC: Final = b"\x1f\x8b"
FLOAT16_LIMIT: Final = 65504.0


class PublishedRow(msgspec.Struct):
    """One line of the file; msgspec decodes the base64 of `embeddings`."""

    gridimage_id: int
    types: str
    distance: str
    embeddings: bytes
    weight: float
    split: str


@dataclass(frozen=True, slots=True, eq=False)
class PublishedBatch:
    """Consecutive lines of the file."""

    lines: int  # how many there were, empty ones left out
    rows: DatasetBatch  # the usable ones
    errors: tuple[RowError, ...]  # the others, each with its line number, from 1


class PublishedFile:
    """A file of JSON Lines, plain or gzipped, read once from its start in constant memory."""

    def __init__(self, path: Path) -> None:
        try:
            self.size = path.stat().st_size
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror})") from None
        self._path = path
        self._raw: BinaryIO | None = None

    @property
    def position(self) -> int:
        """Bytes of the file that have been read so far."""
        return self._raw.tell() if self._raw is not None and not self._raw.closed else 0

    def batches(self, batch_rows: int = BATCH_ROWS) -> Iterator[PublishedBatch]:
        """Decode and check the file."""
        decoder = msgspec.json.Decoder(PublishedRow)
        seen = SeenIds()
        with self._open() as stream:
            numbered = enumerate(stream, start=1)
            while chunk := self._take(numbered, batch_rows):
                yield _decode(decoder, chunk, seen)

    @contextmanager
    def _open(self) -> Iterator[BinaryIO]:
        """Open the file; a gzipped one is unpacked in a thread of its own."""
        try:
            raw = self._path.open("rb")
        except OSError as error:
            raise InputError(f"{self._path} cannot be read ({error.strerror})") from None
        with raw:
            self._raw = raw
            if raw.peek(2)[:2] == GZIP_MAGIC:
                with igzip_threaded.open(raw, "rb", threads=1) as stream:  # type: ignore[no-untyped-call]
                    yield cast(BinaryIO, stream)
            else:
                yield raw

    def _take(self, numbered: Iterator[tuple[int, bytes]], count: int) -> list[tuple[int, bytes]]:
        try:
            return list(islice(numbered, count))
        except (EOFError, gzip.BadGzipFile, zlib.error, OSError) as error:
            raise InputError(
                f"{self._path} is cut off or damaged ({error}): fetch it again"
            ) from None


def _decode(
    decoder: "msgspec.json.Decoder[PublishedRow]", chunk: list[tuple[int, bytes]], seen: SeenIds
) -> PublishedBatch:
    good: list[PublishedRow] = []
    numbers: list[int] = []
    errors: list[RowError] = []
    blank = 0
    for number, line in chunk:
        row = _checked_row(decoder, line, number)
        if isinstance(row, PublishedRow):
            good.append(row)
            numbers.append(number)
        elif line.strip():
            errors.append(row)
        else:
            blank += 1
    batch = _as_batch(good)
    rows = np.array(numbers, np.int64)
    faults = _vector_faults(cast(NDArray[np.float32], batch.embeddings), rows)
    usable = np.ones(len(rows), np.bool_)
    usable[list(faults)] = False
    errors.extend(faults.values())
    places = np.flatnonzero(usable)
    for place in places[seen.repeated(batch.ids[places])]:
        usable[place] = False
        detail = f"gridimage_id {batch.ids[place]} came before"
        errors.append(RowError(int(rows[place]), RowFault.DUPLICATE_ID, detail))
    if not usable.all():
        batch = _as_batch([row for row, keep in zip(good, usable, strict=True) if keep])
    errors.sort(key=lambda error: error.row)
    return PublishedBatch(len(chunk) - blank, batch, tuple(errors))


def _vector_faults(embeddings: NDArray[np.float32], rows: NDArray[np.int64]) -> dict[int, RowError]:
    faults = embedding_row_faults(embeddings, rows)
    for place in np.flatnonzero(np.abs(embeddings).max(axis=1, initial=0) > FLOAT16_LIMIT):
        error = RowError(int(rows[place]), RowFault.NOT_FINITE, "a value beyond float16's range")
        faults.setdefault(int(place), error)
    return faults


def _checked_row(
    decoder: "msgspec.json.Decoder[PublishedRow]", line: bytes, number: int
) -> PublishedRow | RowError:
    """Decode one line and check all that can be checked of it alone."""
    row = decode_line(decoder, line, number)
    if isinstance(row, RowError):
        return row
    if not (math.isfinite(row.weight) and row.weight >= 0):
        return RowError(number, RowFault.BAD_WEIGHT, f"{row.weight} is not a weight of 0 or more")
    if row.split not in SPLITS:
        return RowError(
            number, RowFault.BAD_SPLIT, f"{row.split!r} is not one of {', '.join(SPLITS)}"
        )
    if not 0 <= row.gridimage_id < 2**63:
        detail = "gridimage_id is not a whole number from 0 to 2^63 - 1"
        return RowError(number, RowFault.WRONG_SCHEMA, detail)
    try:
        target_of(row.types, row.distance)
    except RowError as error:
        return RowError(number, error.fault, error.detail)
    return row


def _as_batch(rows: list[PublishedRow]) -> DatasetBatch:
    vectors = np.frombuffer(b"".join([row.embeddings for row in rows]), "<f4")
    return DatasetBatch(
        ids=np.array([row.gridimage_id for row in rows], np.int64),
        types=[row.types for row in rows],
        distances=[row.distance for row in rows],
        embeddings=vectors.reshape(-1, EMBEDDING_DIMENSION),
        weights=np.array([row.weight for row in rows], np.float32),
        splits=[row.split for row in rows],
    )
