"""Read the lists of `/score` a row at a time: as Python objects they would take 8 times as much.

A JSON body of 20 MiB holds some 2,000 rows. 10,000 fit in a form, with four bytes to a number.
"""

import numpy as np
from numpy.typing import NDArray

from geograph_types.distance.distance import Distance
from geograph_types.embedding import EMBEDDING_DIMENSION
from geograph_types.errors import DistanceError
from geograph_types.serve.messages import ScoreRequest
from geograph_types.serve.payloads import decode_json, media_type, read_form
from geograph_types.serve.problems import ProblemError, Reason

MAX_ROWS = 10_000

ROW_LIMIT = 40 * EMBEDDING_DIMENSION
"""Characters of a row; a double has 25, with its comma and a space."""

DISTANCES_LIMIT = 40 * MAX_ROWS

FORM_LIMITS = {"embeddings": None, "distances": DISTANCES_LIMIT}


def score_payload(
    body: bytes | bytearray, content_type: str
) -> tuple[NDArray[np.float32], list[Distance]]:
    """Return the embeddings, [N, 512], and N distances that `/score` was sent.

    In a form, `embeddings` has little-endian float32 numbers, and `distances` a JSON list.
    """
    match media_type(content_type):
        case "application/json":
            request = decode_json(body, ScoreRequest)
            embeddings = _rows(bytes(request.embeddings))
            distances = bytes(request.distances)
        case "multipart/form-data":
            fields = read_form(body, content_type, FORM_LIMITS)
            if not {"embeddings", "distances"} <= fields.keys():
                detail = "the form needs 'embeddings' and 'distances'"
                raise ProblemError(400, Reason.BAD_REQUEST, detail)
            embeddings, distances = _floats(fields["embeddings"]), fields["distances"]
        case _:
            detail = "send application/json or multipart/form-data"
            raise ProblemError(415, Reason.CONTENT_TYPE, detail)
    if len(distances) > DISTANCES_LIMIT:
        raise _too_many_rows()
    metres = decode_json(distances, list[float | None])
    if len(metres) != len(embeddings):
        detail = f"{len(embeddings)} embeddings and {len(metres)} distances: give one for each"
        raise ProblemError(400, Reason.BAD_REQUEST, detail)
    if not metres:
        detail = "'embeddings' has no rows: send at least one"
        raise ProblemError(400, Reason.BAD_REQUEST, detail)
    return embeddings, [_distance(row, one) for row, one in enumerate(metres)]


def _distance(row: int, metres: float | None) -> Distance:
    try:
        return Distance.from_metres(metres)
    except DistanceError as error:
        raise ProblemError(422, Reason.BAD_DISTANCE, f"distance {row}: {error}") from None


def _too_many_rows() -> ProblemError:
    detail = f"a request may have {MAX_ROWS} rows: send them in parts"
    return ProblemError(422, Reason.TOO_MANY_ROWS, detail)


def _floats(data: bytes) -> NDArray[np.float32]:
    row = 4 * EMBEDDING_DIMENSION
    if len(data) % row:
        detail = f"{len(data)} bytes are not rows of {EMBEDDING_DIMENSION} float32 numbers"
        raise ProblemError(400, Reason.BAD_EMBEDDING, detail)
    if len(data) > row * MAX_ROWS:
        raise _too_many_rows()
    return np.frombuffer(data, "<f4").reshape(-1, EMBEDDING_DIMENSION)


def _rows(text: bytes) -> NDArray[np.float32]:
    """Read a list of lists whose JSON is known to be valid."""
    if not text.startswith(b"["):
        raise _not_rows()
    # A closing bracket within a string ends a row too early, and that row is then refused.
    count = text.count(b"]") - 1
    if count > MAX_ROWS:
        raise _too_many_rows()
    rows = np.empty((count, EMBEDDING_DIMENSION), np.float32)
    start = 1
    for index in range(count):
        end = text.find(b"]", start) + 1
        row = text[start:end].strip(b", \t\r\n")
        if not row.startswith(b"[") or len(row) > ROW_LIMIT:
            raise _not_rows(index)
        numbers = decode_json(row, list[float])
        if len(numbers) != EMBEDDING_DIMENSION:
            raise _not_rows(index)
        with np.errstate(over="ignore"):  # what is beyond float32 becomes infinite, and is refused
            rows[index] = numbers
        start = end
    if text[start:].strip() != b"]":
        raise _not_rows()
    return rows


def _not_rows(index: int | None = None) -> ProblemError:
    if index is None:
        detail = "the embeddings are not a list of lists"
    else:
        detail = f"embedding {index} is not a list of {EMBEDDING_DIMENSION} numbers"
    return ProblemError(400, Reason.BAD_EMBEDDING, detail)
