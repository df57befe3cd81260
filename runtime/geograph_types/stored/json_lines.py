"""Rows of the published dataset, as they come: JSON Lines with base64 embeddings."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, Protocol, TypeVar

import msgspec
import numpy as np

from geograph_types.embedding import EMBEDDING_DIMENSION
from geograph_types.errors import RowError, RowFault
from geograph_types.stored.batch import RowBatch, check_rows, metres_of

VECTOR_BYTES: Final = 4 * EMBEDDING_DIMENSION
BATCH_ROWS: Final = 4096
ID_LIMIT: Final = 1 << 63


class HasEmbeddings(Protocol):
    """A row of any kind, with the bytes of its vector."""

    embeddings: bytes


Row = TypeVar("Row", bound=HasEmbeddings)


class ScoreRow(msgspec.Struct):
    """What scoring needs of a published row; its other fields are passed over."""

    gridimage_id: int
    embeddings: bytes
    distance: str | None = None


def read_json_rows(lines: Iterable[bytes]) -> Iterator[RowBatch]:
    """Decode JSON Lines batch by batch, in constant memory."""
    decoder = msgspec.json.Decoder(ScoreRow)
    numbered = enumerate(lines, start=1)
    while chunk := list(islice(numbered, BATCH_ROWS)):
        yield _decode_chunk(decoder, chunk)


def _decode_chunk(
    decoder: "msgspec.json.Decoder[ScoreRow]", chunk: list[tuple[int, bytes]]
) -> RowBatch:
    numbers: list[int] = []
    good: list[ScoreRow] = []
    errors: list[RowError] = []
    for number, line in chunk:
        row = decode_line(decoder, line, number)
        if isinstance(row, RowError):
            if line.strip():
                errors.append(row)
        elif not 0 <= row.gridimage_id < ID_LIMIT:
            detail = "gridimage_id is not a whole number from 0 to 2^63 - 1"
            errors.append(RowError(number, RowFault.WRONG_SCHEMA, detail))
        else:
            numbers.append(number)
            good.append(row)
    metres, bad_distances = metres_of([row.distance for row in good])
    vectors = np.frombuffer(b"".join([row.embeddings for row in good]), "<f4")
    batch = RowBatch(
        rows=np.array(numbers, np.int64),
        ids=np.array([row.gridimage_id for row in good], np.int64),
        embeddings=vectors.reshape(-1, EMBEDDING_DIMENSION),
        metres=metres,
        errors=tuple(errors),
    )
    return check_rows(batch, bad_distances.items())


def decode_line(decoder: "msgspec.json.Decoder[Row]", line: bytes, number: int) -> Row | RowError:
    """Decode one line and check that its vector has 512 numbers.

    Errors are given, not raised: a raised one would keep its whole batch in memory.
    """
    try:
        row = decoder.decode(line)
    except msgspec.ValidationError as error:
        fault = RowFault.BAD_BASE64 if "base64" in str(error) else RowFault.WRONG_SCHEMA
        return RowError(number, fault, str(error))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        fault = RowFault.NOT_JSON if line.endswith(b"\n") else RowFault.CUT_OFF
        return RowError(number, fault, str(error))
    if len(row.embeddings) != VECTOR_BYTES:
        return RowError(number, RowFault.WRONG_LENGTH, wrong_length(row.embeddings))
    return row


def wrong_length(vector: bytes) -> str:
    """Return what is wrong with a vector of another length."""
    return f"{len(vector)} bytes, not {VECTOR_BYTES} ({EMBEDDING_DIMENSION} float32)"
