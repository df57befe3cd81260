"""Rows of the published dataset, as they come: JSON Lines with base64 embeddings."""

import gzip
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final, Protocol, TypeVar, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from geograph_types.distance import Distance
from geograph_types.embedding import EMBEDDING_DIMENSION, embedding_faults
from geograph_types.errors import (
    EMBEDDING_ADVICE,
    DistanceError,
    EmbeddingFault,
    InputError,
    RowError,
    RowFault,
)

__all__ = [
    "VECTOR_BYTES",
    "RowBatch",
    "decode_line",
    "embedding_row_faults",
    "open_lines",
    "read_json_rows",
]

VECTOR_BYTES: Final = 4 * EMBEDDING_DIMENSION
BATCH_ROWS: Final = 4096

ROW_FAULTS: Final = {
    EmbeddingFault.NOT_FINITE: RowFault.NOT_FINITE,
    EmbeddingFault.ZERO: RowFault.ZERO_VECTOR,
    EmbeddingFault.NORMALISED: RowFault.NORMALISED,
}


class HasEmbeddings(Protocol):
    """A row of any kind, with the bytes of its vector."""

    embeddings: bytes


Row = TypeVar("Row", bound=HasEmbeddings)


class ScoreRow(msgspec.Struct):
    """What scoring needs of a published row; its other fields are passed over."""

    gridimage_id: int
    embeddings: bytes
    distance: str = "Unknown"


@dataclass(frozen=True, slots=True, eq=False)
class RowBatch:
    """Consecutive rows of a file, the usable ones as arrays.

    Attributes:
        rows: int64 [N], their numbers in the file, from 1.
        ids: int64 [N], their `gridimage_id`.
        embeddings: float32 [N, 512].
        buckets: int64 [N], their distance buckets.
        errors: the rows that cannot be used.
    """

    rows: NDArray[np.int64]
    ids: NDArray[np.int64]
    embeddings: NDArray[np.float32]
    buckets: NDArray[np.int64]
    errors: tuple[RowError, ...]


def embedding_row_faults(
    embeddings: NDArray[np.floating], rows: NDArray[np.int64]
) -> dict[int, RowError]:
    """Find the vectors that are no raw CLIP embeddings, by their index in the array."""
    return {
        index: RowError(int(rows[index]), ROW_FAULTS[fault], EMBEDDING_ADVICE[fault])
        for index, fault in embedding_faults(embeddings).items()
    }


@contextmanager
def open_lines(path: Path) -> Iterator[BinaryIO]:
    """Open JSON Lines, plain or gzipped (told by its first bytes, not its name).

    Raises:
        InputError: there is no such file, or it cannot be read.
    """
    try:
        raw = path.open("rb")
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from None
    with raw:
        zipped = raw.peek(2)[:2] == b"\x1f\x8b"
        if zipped:
            with gzip.open(raw) as unzipped:
                yield cast(BinaryIO, io.BufferedReader(unzipped, 1 << 20))
        else:
            yield raw


def read_json_rows(lines: Iterable[bytes], batch_rows: int = BATCH_ROWS) -> Iterator[RowBatch]:
    """Decode JSON Lines batch by batch, in constant memory.

    Args:
        lines: of the file, from its first.
        batch_rows: lines in one batch.

    Yields:
        Batches in order; a bad row becomes an error of its batch.
    """
    decoder = msgspec.json.Decoder(ScoreRow)
    numbered = enumerate(lines, start=1)
    while chunk := list(islice(numbered, batch_rows)):
        yield _decode_chunk(decoder, chunk)


def _decode_chunk(
    decoder: "msgspec.json.Decoder[ScoreRow]", chunk: list[tuple[int, bytes]]
) -> RowBatch:
    numbers: list[int] = []
    ids: list[int] = []
    buckets: list[int] = []
    vectors: list[bytes] = []
    errors: list[RowError] = []
    for number, line in chunk:
        if not line.strip():
            continue
        row = decode_line(decoder, line, number)
        if isinstance(row, RowError):
            errors.append(row)
            continue
        try:
            bucket = Distance.parse(row.distance).bucket
        except DistanceError as error:
            errors.append(RowError(number, RowFault.BAD_DISTANCE, str(error)))
            continue
        numbers.append(number)
        ids.append(row.gridimage_id)
        buckets.append(bucket)
        vectors.append(row.embeddings)
    embeddings = np.frombuffer(b"".join(vectors), "<f4").reshape(-1, EMBEDDING_DIMENSION)
    rows = np.array(numbers, np.int64)
    faults = embedding_row_faults(embeddings, rows)
    keep = np.ones(len(rows), bool)
    keep[list(faults)] = False
    return RowBatch(
        rows[keep],
        np.array(ids, np.int64)[keep],
        embeddings[keep] if faults else embeddings,
        np.array(buckets, np.int64)[keep],
        tuple(sorted([*errors, *faults.values()], key=lambda error: error.row)),
    )


def decode_line(decoder: "msgspec.json.Decoder[Row]", line: bytes, number: int) -> Row | RowError:
    """Decode one line and check that its vector has 512 numbers.

    Errors are given, not raised: a raised one would keep its whole batch in memory.

    Args:
        decoder: of a struct with the field `embeddings` as bytes, which msgspec reads as base64.
        line: with its line end, unless it is a last one that was cut off.
        number: of the line, from 1.
    """
    try:
        row = decoder.decode(line)
    except msgspec.ValidationError as error:
        fault = RowFault.BAD_BASE64 if "base64" in str(error) else RowFault.WRONG_SCHEMA
        return RowError(number, fault, str(error))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        fault = RowFault.NOT_JSON if line.endswith(b"\n") else RowFault.CUT_OFF
        return RowError(number, fault, str(error))
    if len(row.embeddings) != VECTOR_BYTES:
        detail = f"{len(row.embeddings)} bytes, not {VECTOR_BYTES} (512 float32)"
        return RowError(number, RowFault.WRONG_LENGTH, detail)
    return row
