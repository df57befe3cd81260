"""What a server and its workers send to each other, as Geograph's public scripts do.

A worker asks with GET and the parameters `model`, `limit`, `unique_number` and, for rows with their
stored embeddings, `embeddings=1`. The answer is `{"rows": [...], "prefix": ..., "sleep": ...}`. It
POSTs lists to the same address: labels, and the embeddings that it made from images.
"""

import math
from codecs import BOM_UTF8
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from geograph_types.errors import PhotoError, RowError, RowFault
from geograph_types.stored.batch import ID_LIMIT, VECTOR_BYTES, wrong_length
from geograph_types.taxonomy import CLASSES
from geograph_types.worker.faults import FetchError

LABEL_THRESHOLD: Final = 0.2
"""Labels above it are sent; the server decides which of them to show."""

NO_LABEL: Final = "None"
FAILED: Final = "Failed"

NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises if bytes are not JSON, or not as described."""

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


class GivenRow(msgspec.Struct, frozen=True):
    gridimage_id: int | Text  # the photo's number; some servers write it as text
    distance: Text | int | float | None = None  # metres, "" for 0, "Unknown", or nothing
    embeddings: bytes | None = None  # bytes of 512 little-endian float32
    fullpath: Text | None = None  # what follows `prefix` in the image's address

    @property
    def number(self) -> int:
        return int(self.gridimage_id)

    @property
    def distance_text(self) -> str | None:
        """The distance as the published dataset writes it; `None` for unknown."""
        if self.distance is None or isinstance(self.distance, str):
            return self.distance
        return str(self.distance) if isinstance(self.distance, int) else f"{self.distance:.3f}"


class IdentifiedRow(msgspec.Struct):
    """What is left of a row that cannot be read in full."""

    gridimage_id: int | Text


class RawAnswer(msgspec.Struct):
    """An answer whose rows have not been looked at."""

    rows: list[msgspec.Raw] | msgspec.UnsetType | None = msgspec.UNSET
    prefix: Any = None
    sleep: Any = None
    error: Any = None


class Answer(msgspec.Struct, frozen=True):
    """An answer to the question for rows."""

    rows: tuple[bytes, ...]  # each as JSON
    prefix: str  # of the addresses of images; empty where there is none
    sleep: float | None  # seconds to wait between rounds; `None` where the server does not say


def read_answer(body: bytes) -> Answer:
    """Read an answer; its rows are read one by one, with `read_row`."""
    try:
        answer = msgspec.json.decode(body.removeprefix(BOM_UTF8), type=RawAnswer)
    except NOT_JSON as error:
        raise AnswerError(f"its answer is not JSON with a list of rows ({error})") from None
    sleep = _seconds(answer.sleep)
    if answer.rows is msgspec.UNSET and sleep is None:
        problem = _text(answer.error)[:80]
        said = f", and says {problem!r}" if problem else ""
        raise AnswerError(f"its answer has no rows{said}")
    rows = () if not answer.rows else tuple(bytes(row) for row in answer.rows)
    return Answer(rows, _text(answer.prefix), sleep)


def read_row(data: bytes, place: int) -> GivenRow | RowError:
    """Read a row; an error is returned, not raised, with the photo's number if that is known."""
    try:
        row = msgspec.json.decode(data, type=GivenRow)
    except NOT_JSON as error:
        fault = RowFault.WRONG_SCHEMA
        if not isinstance(error, msgspec.ValidationError):
            fault = RowFault.NOT_JSON
        elif "base64" in str(error):
            fault = RowFault.BAD_BASE64
        return RowError(place, fault, str(error)[:200], _number_of(data))
    if _number(row.gridimage_id) is None:
        detail = "gridimage_id is not a whole number from 1 to 2^63 - 1"
        return RowError(place, RowFault.WRONG_SCHEMA, detail)
    vector = row.embeddings
    if vector is None and not row.fullpath:
        detail = "it has neither embeddings nor fullpath"
        return RowError(place, RowFault.WRONG_SCHEMA, detail, row.number)
    # Empty embeddings beside an image's address are none.
    if vector is not None and len(vector) != VECTOR_BYTES and (vector or not row.fullpath):
        return RowError(place, RowFault.WRONG_LENGTH, wrong_length(vector), row.number)
    return row


def read_rows(given: Sequence[bytes]) -> tuple[dict[int, GivenRow | RowError], list[RowError]]:
    """Read rows, each as JSON.

    Return them by the numbers of their photos, each as it was given first, and those of no known
    photo, for which nothing can be sent back.
    """
    by_number: dict[int, GivenRow | RowError] = {}
    nameless = []
    for place, data in enumerate(given, start=1):
        row = read_row(data, place)
        number = row.gridimage_id if isinstance(row, RowError) else row.number
        if number is not None:
            by_number.setdefault(number, row)
        elif isinstance(row, RowError):
            nameless.append(row)
    return by_number, nameless


def labels_of(number: int, probabilities: NDArray[np.float32]) -> tuple[Label, ...]:
    """Return the labels of a photo: all classes over 0.2, or "None" with 0."""
    likely = np.flatnonzero(probabilities > LABEL_THRESHOLD).tolist()
    labels = (Label(number, CLASSES[index], float(probabilities[index])) for index in likely)
    return tuple(labels) or (Label(number, NO_LABEL, 0),)


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
        labels = (Label(number, FAILED, -1),)
        return cls(number, labels, None, error.fault.value, error.detail)


def encode_entries(entries: Sequence[Label | ImageEmbedding]) -> bytes:
    """Write entries of a list as JSON, without the list's brackets."""
    return msgspec.json.encode(entries)[1:-1]


def encode_list(parts: Sequence[bytes]) -> bytes:
    """Join what `encode_entries` wrote into one list."""
    return b"[" + b",".join(parts) + b"]"


def _number(value: int | str) -> int | None:
    if isinstance(value, str):
        if not (value.isascii() and value.isdigit() and len(value) < 20):
            return None
        value = int(value)
    return value if 0 < value < ID_LIMIT else None


def _number_of(data: bytes) -> int | None:
    try:
        return _number(msgspec.json.decode(data, type=IdentifiedRow).gridimage_id)
    except NOT_JSON:
        return None


def _text(value: object) -> str:
    """Return a text; anything else counts as none."""
    return value if isinstance(value, str) else ""


def _seconds(value: object) -> float | None:
    """Return a number that may be written as text; anything else counts as none."""
    try:
        seconds = msgspec.convert(value, float, strict=False)
    except msgspec.ValidationError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
