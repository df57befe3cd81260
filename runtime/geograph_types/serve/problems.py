"""What is wrong with a request, as problem details in JSON (RFC 9457)."""

from enum import StrEnum
from http import HTTPStatus
from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.exceptions import HTTPException
from starlette.responses import Response

from geograph_types import errors
from geograph_types.errors import PhotoFault
from geograph_types.files.text import as_utf_8

MEDIA_TYPE = "application/problem+json"


class Reason(StrEnum):
    """Why a request was refused, for programs; photos have their `PhotoFault` beside these."""

    BAD_REQUEST = "bad_request"
    BAD_JSON = "bad_json"
    BAD_MULTIPART = "bad_multipart"
    BAD_BASE64 = "bad_base64"
    EMPTY_IMAGE = "empty_image"
    UNKNOWN_MODEL = "unknown_model"
    BAD_POSITION = "bad_position"
    BAD_DISTANCE = "bad_distance"
    BAD_EMBEDDING = "bad_embedding"
    TOO_MANY_ROWS = "too_many_rows"
    NO_TOKEN = "no_token"
    FOREIGN_HOST = "foreign_host"
    FOREIGN_ORIGIN = "foreign_origin"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    BODY_TOO_LARGE = "body_too_large"
    HEADERS_TOO_LARGE = "headers_too_large"
    TOO_SLOW = "too_slow"
    CONTENT_TYPE = "content_type"
    CONTENT_ENCODING = "content_encoding"
    OVERLOADED = "overloaded"
    TOO_LATE = "too_late"
    NOT_READY = "not_ready"
    INTERNAL = "internal_error"


class ProblemDetails(msgspec.Struct, frozen=True):
    """Why a request was refused."""

    type: Annotated[str, Meta(description="A URI of the kind of problem, without a page.")]
    title: Annotated[str, Meta(description="The same for every problem of this status.")]
    status: int
    detail: Annotated[str, Meta(description="What is wrong with this request, and what to do.")]
    reason: Annotated[str, Meta(description="From a closed list, for programs.")]


class ProblemError(Exception):
    """A request that is answered with problem details."""

    def __init__(
        self,
        status: int,
        reason: Reason | PhotoFault,
        detail: str,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.details = ProblemDetails(
            type=f"urn:geograph-types:problem:{reason.value}",
            title=HTTPStatus(status).phrase,
            status=status,
            detail=as_utf_8(detail),  # it may quote the content of a file
            reason=reason.value,
        )
        self.headers = headers or {}

    def body(self) -> bytes:
        return msgspec.json.encode(self.details)

    def response(self) -> Response:
        headers = {"content-type": MEDIA_TYPE, **self.headers}
        return Response(self.body(), self.status, headers)


STATUS_OF_FAULT = {
    PhotoFault.EMPTY: 400,
    PhotoFault.UNSUPPORTED: 415,
    PhotoFault.NOT_AN_IMAGE: 415,
    PhotoFault.TOO_MANY_PIXELS: 413,
    PhotoFault.TOO_MUCH_MEMORY: 413,
}
REASON_OF_ERROR: dict[type[errors.GeographTypesError], Reason] = {
    errors.DistanceError: Reason.BAD_DISTANCE,
    errors.EmbeddingError: Reason.BAD_EMBEDDING,
    errors.GridError: Reason.BAD_POSITION,
    errors.MissingExtraError: Reason.BAD_POSITION,  # for latitudes and longitudes
}
REASON_OF_STATUS = {404: Reason.NOT_FOUND, 405: Reason.METHOD_NOT_ALLOWED}


def problem_of(error: Exception) -> ProblemError | None:
    """Return the refusal of what cannot be used; nothing for what is no fault of a request."""
    match error:
        case ProblemError():
            return error
        case errors.PhotoError():
            status = STATUS_OF_FAULT.get(error.fault, 422)
            return ProblemError(status, error.fault, f"the photo cannot be used: {error.detail}")
        case HTTPException(status_code=status):
            reason = REASON_OF_STATUS.get(status, Reason.BAD_REQUEST)
            detail = "not a path or method of this service: see /docs"
            return ProblemError(status, reason, detail, dict(error.headers or {}))
        case errors.GeographTypesError() if kind := REASON_OF_ERROR.get(type(error)):
            return ProblemError(422, kind, str(error))
    return None


def too_late() -> ProblemError:
    detail = "the request waited too long to be started: try again in 1 s"
    return ProblemError(503, Reason.TOO_LATE, detail, {"Retry-After": "1"})


def too_slow() -> ProblemError:
    detail = "the request came too slowly: use a faster connection, or send a smaller photo"
    return ProblemError(408, Reason.TOO_SLOW, detail)
