"""What a server and its workers send to each other, as Geograph's public scripts do.

A worker asks with GET and the parameters `model`, `limit`, `unique_number` and, for rows with their
stored embeddings, `embeddings=1`. The answer is `{"rows": [...], "prefix": ..., "sleep": ...}`. It
POSTs lists to the same address: labels, and the embeddings that it made from images.
"""

import math
from codecs import BOM_UTF8
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from geograph_types.errors import PhotoError, RowError, RowFault
from geograph_types.stored.batch import ID_LIMIT, VECTOR_BYTES, wrong_length
from geograph_types.taxonomy import CLASSES
from geograph_types.worker.faults import FetchError

LABEL_THRESHOLD: Final = 0.2  # labels above it are sent; the server decides which to show

# What msgspec raises if bytes are not JSON, or not as described.
NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

Text = Annotated[str, msgspec.Meta(max_length=4096)]


class AnswerError(ValueError):
    """What the server sent is not an answer to the question for rows."""


class Label(msgspec.Struct, frozen=True):
    image_id: int
    label: str  # a class; or "None" where no class is likely, or "Failed"
    score: float | int  # its probability; 0 with "None", -1 with "Failed"


class ImageEmbedding(msgspec.Struct, frozen=True):
    image_id: int
    type: str  # "image"; the server keeps those of titles too
    embeddings: bytes  # 512 little-endian float32, which msgspec writes as base64


class IdentifiedRow(msgspec.Struct, frozen=True):
    gridimage_id: int | Text  # the photo's number; some servers write it as text

    @property
    def number(self) -> int:
        """The photo's number; 0 if it is none."""
        value = self.gridimage_id
        if isinstance(value, str):
            value = int(value) if value.isascii() and value.isdigit() and len(value) < 20 else 0
        return value if 0 < value < ID_LIMIT else 0


class GivenRow(IdentifiedRow, frozen=True):
    distance: Text | float | None = None  # metres, "" for 0, "Unknown", or nothing
    embeddings: bytes | None = None  # bytes of 512 little-endian float32
    fullpath: Text | None = None  # what follows `prefix` in the image's address


Row: TypeAlias = GivenRow | RowError


class Answer(msgspec.Struct):
    rows: list[msgspec.Raw] | msgspec.UnsetType | None = msgspec.UNSET  # each as JSON
    prefix: Any = ""  # of the addresses of images; empty if there is none
    sleep: Any = None  # seconds to wait between rounds; `None` if the server does not say
    error: Any = None


def read_answer(body: bytes) -> Answer:
    """Read an answer; its rows are read one by one, with `read_rows`."""
    try:
        answer = msgspec.json.decode(body.removeprefix(BOM_UTF8), type=Answer)
    except NOT_JSON as error:
        raise AnswerError(f"its answer is not JSON with a list of rows ({error})") from None
    answer.sleep = _seconds(answer.sleep)
    answer.prefix = answer.prefix if isinstance(answer.prefix, str) else ""
    if answer.rows is msgspec.UNSET and answer.sleep is None:
        said = f", and says {answer.error[:80]!r}" if isinstance(answer.error, str) else ""
        raise AnswerError(f"its answer has no rows{said}")
    return answer


def read_rows(given: Sequence[msgspec.Raw]) -> tuple[dict[int, Row], list[RowError]]:
    """Read rows, each as JSON, by the numbers of their photos, as each was given first.

    Those of no known photo are returned beside these: nothing can be sent back for them.
    """
    by_number: dict[int, Row] = {}
    nameless = []
    for place, data in enumerate(given, start=1):
        row = _read_row(data, place)
        number = row.gridimage_id if isinstance(row, RowError) else row.number
        if number is not None:
            by_number.setdefault(number, row)
        elif isinstance(row, RowError):
            nameless.append(row)
    return by_number, nameless


def _read_row(data: msgspec.Raw, place: int) -> Row:
    """Read a row; an error is returned, with the photo's number if that is known."""
    number = None
    try:
        number = msgspec.json.decode(data, type=IdentifiedRow).number or None
        row = msgspec.json.decode(data, type=GivenRow)
    except NOT_JSON as error:
        fault = RowFault.WRONG_SCHEMA
        if not isinstance(error, msgspec.ValidationError):
            fault = RowFault.NOT_JSON
        elif "base64" in str(error):
            fault = RowFault.BAD_BASE64
        return RowError(place, fault, str(error)[:200], number)
    vector, problem = row.embeddings, ""
    if number is None:
        problem = "gridimage_id is not a whole number from 1 to 2^63 - 1"
    elif vector is None and not row.fullpath:
        problem = "it has neither embeddings nor fullpath"
    if problem:
        return RowError(place, RowFault.WRONG_SCHEMA, problem, number)
    # Empty embeddings beside an image's address are none.
    if vector is not None and len(vector) != VECTOR_BYTES and (vector or not row.fullpath):
        return RowError(place, RowFault.WRONG_LENGTH, wrong_length(vector), number)
    return row


def _seconds(value: object) -> float | None:
    """Return a number that may be written as text; anything else counts as none."""
    try:
        seconds = msgspec.convert(value, float, strict=False)
    except msgspec.ValidationError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def labels_of(number: int, probabilities: NDArray[np.float32]) -> tuple[Label, ...]:
    """Return the labels of a photo: all classes over 0.2, or "None" with 0."""
    likely = np.flatnonzero(probabilities > LABEL_THRESHOLD).tolist()
    labels = (Label(number, CLASSES[index], float(probabilities[index])) for index in likely)
    return tuple(labels) or (Label(number, "None", 0),)


@dataclass(frozen=True, slots=True)
class RowResult:
    """What came of one row."""

    number: int  # of the photo
    labels: tuple[Label, ...]
    embedding: ImageEmbedding | None = None  # if it was made here
    fault: str = ""  # why the labels are "Failed"; empty if they are not
    detail: str = ""
    certain: int = 0  # tags that hold with the bundle's guarantee

    @classmethod
    def failed(cls, number: int, error: RowError | PhotoError | FetchError) -> "RowResult":
        label = Label(number, "Failed", -1)
        return cls(number, (label,), None, error.fault.value, error.detail)
