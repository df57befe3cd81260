"""From the body of a request to what it asks for.

The only module that imports python_multipart.
"""

import binascii
import logging
import math
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, File, FormParser, parse_options_header

from geograph_types.distance.distance import Distance
from geograph_types.distance.sources import Places, parse_place
from geograph_types.embedding import EMBEDDING_DIMENSION
from geograph_types.errors import DistanceError
from geograph_types.serve.messages import ImageRequest, TagRequest
from geograph_types.serve.problems import ProblemError, Reason

T = TypeVar("T")
Limits = Mapping[str, float]  # of the fields of a form, in bytes

MODEL: Final = "clip"
MAX_ROWS: Final = 10_000
PARTS: Final = 20  # more than any form has; each costs time and memory
ROW_LIMIT: Final = 40 * EMBEDDING_DIMENSION  # characters; a double has 25, with comma and space
DISTANCE_LIMIT: Final = 40

# The longest position has a tenth of these.
TAG_LIMITS: Final = {"photo": math.inf, "distance": 1000, "camera": 1000, "subject": 1000}
SCORE_LIMITS: Final = {"embeddings": math.inf, "distances": DISTANCE_LIMIT * MAX_ROWS}

SPACES: Final = str.maketrans("", "", " \t\r\n\f\v")
URL_SAFE: Final = str.maketrans("-_", "+/")
NOT_BASE64: Final = re.compile(r"[^A-Za-z0-9+/=_\s-]", re.ASCII)

# What it finds wrong with a form is in the answer; in the log, strangers could write at will.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)


class _Rows(msgspec.Struct, frozen=True):
    """A `ScoreRequest` whose lists are read later, row by row."""

    embeddings: msgspec.Raw
    distances: msgspec.Raw


def image_payload(body: bytearray) -> bytes:
    """Return the photo that `/image` was sent."""
    request = _json(body, ImageRequest)
    if request.model != MODEL:
        detail = f"there is no model {request.model[:80]!r}: this service has only {MODEL!r}"
        raise ProblemError(400, Reason.UNKNOWN_MODEL, detail)
    return _from_base64(request.image)


def tag_payload(body: bytearray, content_type: str) -> tuple[bytes, Places]:
    """Return the photo that `/tag` was sent, with what is stated of its distance."""
    if media_type(content_type) == "application/json":
        request = _json(body, TagRequest)
        photo = _from_base64(request.image)
        return photo, _places(request.distance, request.camera, request.subject)
    if media_type(content_type) != "multipart/form-data":
        detail = "send multipart/form-data with a file 'photo', or application/json"
        raise ProblemError(415, Reason.CONTENT_TYPE, detail)
    fields = _form(body, content_type, TAG_LIMITS)
    if not (photo := fields.pop("photo", b"")):
        raise ProblemError(400, Reason.EMPTY_IMAGE, "the form has no file in its field 'photo'")
    try:
        texts = {name: value.decode() for name, value in fields.items()}
    except UnicodeDecodeError:
        raise _bad_request("a field of the form is not in UTF-8") from None
    return photo, _places(texts.get("distance"), texts.get("camera"), texts.get("subject"))


def score_payload(
    body: bytes | bytearray, content_type: str
) -> tuple[NDArray[np.float32], list[Distance]]:
    """Return the embeddings, [N, 512], and N distances that `/score` was sent.

    In a form, `embeddings` has little-endian float32 numbers, and `distances` a JSON list. In JSON,
    rows are read one by one: all of them as Python objects would take 8 times as much.
    """
    if media_type(content_type) == "application/json":
        request = _json(body, _Rows)
        embeddings, distances = _rows(bytes(request.embeddings)), bytes(request.distances)
    elif media_type(content_type) == "multipart/form-data":
        fields = _form(body, content_type, SCORE_LIMITS)
        if len(fields) < len(SCORE_LIMITS):
            raise _bad_request("the form needs 'embeddings' and 'distances'")
        embeddings, distances = _floats(fields["embeddings"]), fields["distances"]
    else:
        detail = "send application/json or multipart/form-data"
        raise ProblemError(415, Reason.CONTENT_TYPE, detail)
    _check_rows(len(distances) / DISTANCE_LIMIT)
    metres = _json(distances, list[float | None])
    if len(metres) != len(embeddings):
        detail = f"{len(embeddings)} embeddings and {len(metres)} distances: give one for each"
        raise _bad_request(detail)
    if not metres:
        raise _bad_request("'embeddings' has no rows: send at least one")
    return embeddings, [_distance(row, one) for row, one in enumerate(metres)]


def media_type(content_type: str) -> str:
    """Return the type of a Content-Type header, without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def _bad_request(detail: str) -> ProblemError:
    return ProblemError(400, Reason.BAD_REQUEST, detail)


def _bad_form(detail: str) -> ProblemError:
    return ProblemError(400, Reason.BAD_MULTIPART, detail)


def _json(body: bytes | bytearray, kind: type[T]) -> T:
    """Read JSON, or refuse what is not JSON or has other fields."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise _bad_request(f"the request is not as described: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProblemError(400, Reason.BAD_JSON, f"the body is not JSON: {error}") from None


def _form(body: bytes | bytearray, content_type: str, limits: Limits) -> dict[str, bytes]:
    """Read those fields of a form (RFC 7578) that have a limit; the last of a name counts.

    The parser takes neither text before the first part nor spaces behind its boundary.
    """
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not boundary:
        raise _bad_form("the content type names no boundary")
    delimiter = b"--" + boundary
    first = re.search(rb"(?:\A|\n)" + re.escape(delimiter) + rb"[ \t]*(?=\r\n)", body)
    names: list[str] = []
    fields: dict[str, bytes] = {}
    ends: list[bool] = []

    def add(part: Field | File) -> None:
        name = (part.field_name or b"").decode("latin-1")
        names.append(name)
        if len(names) > PARTS:
            raise _bad_form(f"the form has more than {PARTS} parts")
        if name in limits:
            if isinstance(part, File):
                part.file_object.seek(0)
            fields[name] = part.file_object.read() if isinstance(part, File) else part.value or b""
            if len(fields[name]) > limits[name]:
                raise _bad_request(f"field {name!r} has more than {limits[name]} bytes")

    try:
        parser = FormParser(
            "multipart/form-data",
            add,
            add,
            lambda: ends.append(True),
            boundary=boundary,
            config={"MAX_MEMORY_FILE_SIZE": sys.maxsize},
        )
        if first is not None and first[0] != delimiter:
            parser.write(delimiter)
            body = body[first.end() :]
        parser.write(body)  # type: ignore[arg-type]
        parser.finalize()
    except FormParserError as error:
        raise _bad_form(f"the form cannot be read: {error}") from None
    if not ends:
        raise _bad_form("the form is cut off, or has no parts")
    return fields


def _from_base64(text: str) -> bytes:
    """Decode base64; also with white space, in a data: URL, or in RFC 4648's URL-safe alphabet."""
    if not text:
        detail = "the image is empty: send a photo's file in base64"
        raise ProblemError(400, Reason.EMPTY_IMAGE, detail)
    with suppress(ValueError):
        return binascii.a2b_base64(text, strict_mode=True)
    header = ""
    if text[:5].lower() == "data:":
        header, comma, _ = text.partition(",")
        if not comma or not header.lower().endswith(";base64"):
            raise _bad_base64("its data: URL has no ';base64,' before the content")
        header += comma
    if wrong := NOT_BASE64.search(text, len(header)):
        raise _bad_base64(f"character {wrong.start() + 1} is {wrong[0]!r}")
    content = text[len(header) :].translate(SPACES)
    if "-" in content or "_" in content:
        if "+" in content or "/" in content:
            raise _bad_base64("it mixes the standard alphabet and the URL-safe one")
        content = content.translate(URL_SAFE)
        content += "=" * (-len(content) % 4)  # which is often left out in addresses
    try:
        photo = binascii.a2b_base64(content, strict_mode=True)
    except ValueError as error:
        raise _bad_base64(str(error)) from None
    if not photo:
        raise _bad_base64("it has no bytes")
    return photo


def _bad_base64(problem: str) -> ProblemError:
    return ProblemError(400, Reason.BAD_BASE64, f"the image is not base64: {problem}")


def _places(distance: float | str | None, camera: str | None, subject: str | None) -> Places:
    """Read a distance and positions; nothing, and the text Unknown, are unknown."""
    if isinstance(distance, str):
        metres = Distance.parse(distance).metres if distance.strip() else None
    else:
        metres = Distance.from_metres(distance).metres
    return Places(parse_place(camera or ""), parse_place(subject or ""), metres)


def _distance(row: int, metres: float | None) -> Distance:
    try:
        return Distance.from_metres(metres)
    except DistanceError as error:
        raise ProblemError(422, Reason.BAD_DISTANCE, f"distance {row}: {error}") from None


def _check_rows(count: float) -> None:
    if count > MAX_ROWS:
        detail = f"a request may have {MAX_ROWS} rows: send them in parts"
        raise ProblemError(422, Reason.TOO_MANY_ROWS, detail)


def _floats(data: bytes) -> NDArray[np.float32]:
    row = 4 * EMBEDDING_DIMENSION
    if len(data) % row:
        detail = f"{len(data)} bytes are not rows of {EMBEDDING_DIMENSION} float32 numbers"
        raise ProblemError(400, Reason.BAD_EMBEDDING, detail)
    _check_rows(len(data) // row)
    return np.frombuffer(data, "<f4").reshape(-1, EMBEDDING_DIMENSION)


def _rows(text: bytes) -> NDArray[np.float32]:
    """Read a list of lists whose JSON is known to be valid."""
    # A closing bracket within a string ends a row too early, and that row is then refused.
    count = text.count(b"]") - 1 if text[:1] == b"[" else 0
    _check_rows(count)
    rows = np.empty((count, EMBEDDING_DIMENSION), np.float32)
    end = 1
    for index in range(count):
        start, end = end, text.find(b"]", end) + 1
        row = text[start:end].strip(b", \t\r\n")
        numbers = _json(row, list[float]) if row[:1] == b"[" and len(row) <= ROW_LIMIT else []
        if len(numbers) != EMBEDDING_DIMENSION:
            detail = f"embedding {index} is not a list of {EMBEDDING_DIMENSION} numbers"
            raise ProblemError(400, Reason.BAD_EMBEDDING, detail)
        with np.errstate(over="ignore"):  # what is beyond float32 becomes infinite, and is refused
            rows[index] = numbers
    if text[end:].strip() != b"]":
        detail = "the embeddings are not a list of lists"
        raise ProblemError(400, Reason.BAD_EMBEDDING, detail)
    return rows
