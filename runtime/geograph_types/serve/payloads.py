"""From the body of a request to what it asks for."""

import binascii
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from geograph_types.distance.distance import Distance
from geograph_types.distance.sources import Places, parse_place
from geograph_types.errors import DistanceError, GridError
from geograph_types.serve.forms import media_type, read_form
from geograph_types.serve.messages import ImageRequest, TagRequest
from geograph_types.serve.problems import ProblemError, Reason

T = TypeVar("T")

MODEL = "clip"

FIELD_LIMITS = {"photo": None, "distance": 1000, "camera": 1000, "subject": 1000}
"""Bytes of each field of a form; the longest position has a tenth of these."""


@dataclass(frozen=True, slots=True, eq=False)
class TagPayload:
    """What `/tag` was sent.

    Attributes:
        photo: the photo's file.
        places: what the request says of camera, subject and distance.
    """

    photo: bytes
    places: Places


def decode_json(body: bytes, kind: type[T]) -> T:
    """Read JSON.

    Raises:
        ProblemError: 400; it is no JSON, or has other fields.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise ProblemError(
            400, Reason.BAD_REQUEST, f"the request is not as described: {error}"
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProblemError(400, Reason.BAD_JSON, f"the body is not JSON: {error}") from None


def image_payload(body: bytes) -> bytes:
    """Return the photo that `/image` was sent.

    Raises:
        ProblemError: 400.
    """
    request = decode_json(body, ImageRequest)
    if request.model != MODEL:
        detail = f"there is no model {request.model[:80]!r}: this service has {MODEL!r} alone"
        raise ProblemError(400, Reason.UNKNOWN_MODEL, detail)
    return _from_base64(request.image)


def tag_payload(body: bytes, content_type: str) -> TagPayload:
    """Return what `/tag` was sent.

    Args:
        body: of the request.
        content_type: its header, JSON or multipart.

    Raises:
        ProblemError: 400; 415 where the content type is another; 422 where a position or distance
            cannot be used.
    """
    kind = media_type(content_type)
    if kind == "application/json":
        request = decode_json(body, TagRequest)
        photo = _from_base64(request.image)
        distance = _metres(request.distance)
        return TagPayload(photo, _places(distance, request.camera, request.subject))
    if kind == "multipart/form-data":
        fields = read_form(body, content_type, FIELD_LIMITS)
        if not fields.get("photo"):
            raise ProblemError(400, Reason.EMPTY_IMAGE, "the form has no file in its field 'photo'")
        texts = {name: _text(value) for name, value in fields.items() if name != "photo"}
        distance = _metres(texts.get("distance"))
        places = _places(distance, texts.get("camera"), texts.get("subject"))
        return TagPayload(fields["photo"], places)
    raise ProblemError(
        415,
        Reason.CONTENT_TYPE,
        "send multipart/form-data with a file 'photo', or application/json",
    )


def _from_base64(text: str) -> bytes:
    if not text:
        raise ProblemError(
            400, Reason.EMPTY_IMAGE, "the image is empty: send a photo's file in base64"
        )
    try:
        photo = binascii.a2b_base64(text)
    except ValueError as error:
        raise ProblemError(400, Reason.BAD_BASE64, f"the image is not base64: {error}") from None
    if not photo:
        raise ProblemError(400, Reason.BAD_BASE64, "the image is not base64: it has no bytes")
    return photo


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise ProblemError(400, Reason.BAD_REQUEST, "a field of the form is not in UTF-8") from None


def _metres(value: float | str | None) -> float | None:
    """Read a distance; nothing, and the text Unknown, are unknown."""
    try:
        if isinstance(value, str):
            return Distance.parse(value).metres if value.strip() else None
        return Distance.from_metres(value).metres
    except DistanceError as error:
        raise ProblemError(422, Reason.BAD_DISTANCE, str(error)) from None


def _places(metres: float | None, camera: str | None, subject: str | None) -> Places:
    try:
        return Places(parse_place(camera or ""), parse_place(subject or ""), metres)
    except GridError as error:
        raise ProblemError(422, Reason.BAD_POSITION, str(error)) from None
