"""Rows of the published dataset as they come: JSON Lines with base64 embeddings."""

import json
from collections.abc import Sequence
from typing import Final, TypeAlias

import msgspec
import numpy as np

from geograph_types.embedding import EMBEDDING_DIMENSION
from geograph_types.errors import RowError, RowFault
from geograph_types.stored.batch import (
    BAD_ID,
    ID_LIMIT,
    VECTOR_BYTES,
    DatasetBatch,
    RowBatch,
    distance_faults,
    distance_text,
    metres_of,
    wrong_length,
)

NOT_JSON: Final = (ValueError, RecursionError)
"""What decoders raise if bytes are not JSON; those of msgspec and UTF-8 are among them."""


class ScoreRow(msgspec.Struct):
    """What scoring needs of a published row; its other fields are passed over."""

    gridimage_id: int
    embeddings: bytes
    distance: str | int | float | None = None


class DatasetRow(msgspec.Struct):
    """A published row with all its fields."""

    gridimage_id: int
    embeddings: bytes
    distance: str | int | float
    types: str
    split: str
    weight: float | None = 1.0


Row: TypeAlias = ScoreRow | DatasetRow
Decoder: TypeAlias = "msgspec.json.Decoder[ScoreRow] | msgspec.json.Decoder[DatasetRow]"

# Other software writes numbers as text, and whole numbers with a point.
SCORE_DECODER: Final = msgspec.json.Decoder(ScoreRow, strict=False)
DATASET_DECODER: Final = msgspec.json.Decoder(DatasetRow, strict=False)


def decode_lines(lines: Sequence[bytes], first: int, all_columns: bool) -> RowBatch:
    """Decode consecutive lines, the first of which has the number `first`."""
    numbers: list[int] = []
    good: list[Row] = []
    errors: list[RowError] = []
    for number, line in enumerate(lines, first):
        row = _decode_line(DATASET_DECODER if all_columns else SCORE_DECODER, line, number)
        if not isinstance(row, RowError):
            numbers.append(number)
            good.append(row)
        elif line.strip():
            errors.append(row)
    texts = [distance_text(row.distance) for row in good]
    metres, bad_distances = metres_of(texts)
    vectors = np.frombuffer(b"".join([row.embeddings for row in good]), "<f4")
    ids = np.array([row.gridimage_id for row in good], np.int64)
    embeddings = vectors.reshape(-1, EMBEDDING_DIMENSION)
    whole = [row for row in good if isinstance(row, DatasetRow)]
    dataset = DatasetBatch(
        ids,
        [row.types for row in whole],
        [text for text in texts if text is not None],
        embeddings,
        np.array([1.0 if row.weight is None else row.weight for row in whole], np.float32),
        [row.split for row in whole],
    )
    batch = RowBatch(
        np.array(numbers, np.int64),
        ids,
        embeddings,
        metres,
        tuple(errors),
        dataset if all_columns else None,
    )
    return batch.without(distance_faults(bad_distances.items()))


def _decode_line(decoder: Decoder, line: bytes, number: int) -> Row | RowError:
    """Decode one line, and check all that can be checked of it alone.

    Errors are returned, not raised: a raised one would keep its whole batch in memory.
    """
    try:
        row = _decode(decoder, line)
    except msgspec.ValidationError as error:
        fault = RowFault.BAD_BASE64 if "base64" in str(error) else RowFault.WRONG_SCHEMA
        return RowError(number, fault, str(error))
    except NOT_JSON as error:
        fault = RowFault.NOT_JSON if line.endswith(b"\n") else RowFault.CUT_OFF
        return RowError(number, fault, str(error))
    if not 0 <= row.gridimage_id < ID_LIMIT:
        return RowError(number, RowFault.WRONG_SCHEMA, BAD_ID)
    if len(row.embeddings) != VECTOR_BYTES:
        detail = wrong_length(row.embeddings)
        return RowError(number, RowFault.WRONG_LENGTH, detail, row.gridimage_id)
    return row


def _decode(decoder: Decoder, line: bytes) -> Row:
    try:
        return decoder.decode(line)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        if b"NaN" not in line and b"Infinity" not in line:
            raise
    # Python's json writes them, though JSON has no such numbers; they are harmless in other fields.
    return msgspec.convert(json.loads(line), decoder.type, strict=False)
