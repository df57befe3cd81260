"""What the OpenAPI document says beyond the paths; requests and answers are those of `messages`."""

from collections.abc import Iterator
from html import escape
from http import HTTPStatus
from typing import Any, Final

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from geograph_types.embedding import EMBEDDING_DIMENSION
from geograph_types.serve.messages import (
    ImageRequest,
    ScoreAnswer,
    StatusAnswer,
    TagAnswer,
    TagRequest,
)
from geograph_types.serve.problems import MEDIA_TYPE, ProblemDetails
from geograph_types.serve.rows import MAX_ROWS


def docs_page(document: dict[str, Any]) -> str:
    """Write an OpenAPI document as a page without scripts."""
    info = document["info"]
    title = escape(info["title"])
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
        "<meta name=viewport content='width=device-width'>"
        "<link rel=stylesheet href=page/style.css>"
        f"<h1>{title}</h1><p>{escape(info.get('summary', ''))} Model: {escape(info['version'])}."
        "<p>API documentation: <a href=openapi.json>openapi.json</a>.",
    ]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            parts += _section(f"{method.upper()} {path}", operation)
    parts.append("<h2>Schemas</h2>")
    for name, schema in document["components"]["schemas"].items():
        parts.append(f"<h3 id='{escape(name)}'>{escape(name)}</h3>{_pre(schema)}")
    return "\n".join(parts)


def _section(name: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"<h2>{escape(name)}</h2><p>{escape(operation.get('description', ''))}"
    for parameter in operation.get("parameters", ()):
        yield f"<h3>Parameter</h3>{_pre(parameter)}"
    for kind, body in operation.get("requestBody", {}).get("content", {}).items():
        yield f"<h3>Request, {escape(kind)}</h3>{_pre(body['schema'])}"
        if "example" in body:
            yield f"<p>For example:</p>{_pre(body['example'])}"
    yield "<h3>Answers</h3><dl>"
    for status, answer in operation["responses"].items():
        kinds = ", ".join(answer.get("content", {}))
        yield f"<dt>{escape(status)} {escape(kinds)}<dd>{escape(answer['description'])}"
    yield "</dl>"


def _pre(value: Any) -> str:
    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    return f"<pre>{escape(text)}</pre>"


Schema = dict[str, Any]

TITLES: Final = {
    400: "The request is not as described.",
    401: "The service's token is missing.",
    403: "The request comes from a page of another site.",
    408: "The request came too slowly.",
    413: "The body or the photo is too large.",
    415: "Another content type, or a file that is not a photo.",
    421: "The service was called by a foreign name.",
    431: "Lines and headers are too large.",
    422: "A photo, position, distance or embedding that cannot be used.",
    503: "Too much to do, or not loaded yet: try again after `Retry-After`.",
}

TOKEN_IF_SET: Final[list[dict[str, list[str]]]] = [{"token": []}, {}]
"""The service may have been started without a token."""

PROBLEM: Final = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}}

VECTOR: Final = {
    "type": "array",
    "items": {"type": "number"},
    "minItems": EMBEDDING_DIMENSION,
    "maxItems": EMBEDDING_DIMENSION,
}

SMALLEST_PHOTO: Final = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
)
"""A grey pixel as PNG, in base64: something to try the service with."""

SCORE_REQUEST: Final = {
    "type": "object",
    "required": ["embeddings", "distances"],
    "properties": {
        "embeddings": {
            "type": "array",
            "items": VECTOR,
            "description": f"Raw CLIP embeddings, not normalised; {MAX_ROWS} at most.",
        },
        "distances": {
            "type": "array",
            "items": {"type": ["number", "null"], "minimum": 0},
            "description": "Metres for each embedding; null where unknown.",
        },
    },
}

SCORE_FORM: Final = {
    "type": "object",
    "required": ["embeddings", "distances"],
    "properties": {
        "embeddings": {
            "type": "string",
            "contentMediaType": "application/octet-stream",
            "description": "Little-endian float32 numbers, 512 to a row.",
        },
        "distances": {"type": "string", "description": "A JSON list, as in the JSON request."},
    },
}

TAG_FORM: Final = {
    "type": "object",
    "required": ["photo"],
    "properties": {
        "photo": {"type": "string", "contentMediaType": "application/octet-stream"},
        "distance": {"type": "string", "description": "Metres; empty or Unknown if not known."},
        "camera": {"type": "string", "description": "TQ 299 804, or 51.5081, -0.1281."},
        "subject": {"type": "string", "description": "As camera."},
    },
}


def _operation(
    answer: Schema,
    problems: tuple[int, ...],
    bodies: dict[str, Schema] | None = None,
    example: Schema | None = None,
) -> dict[str, Any]:
    """Return what FastAPI cannot see of a path that reads its own body, or asks for the token."""
    responses: dict[int, Any] = {200: {"description": "Success.", "content": answer}}
    for status in sorted(problems):
        responses[status] = {"description": TITLES[status], "content": PROBLEM}
    extra: dict[str, Any] = {}
    if bodies:
        content = {kind: {"schema": schema} for kind, schema in bodies.items()}
        if example is not None:
            content["application/json"]["example"] = example
        extra["requestBody"] = {"required": True, "content": content}
    if HTTPStatus.UNAUTHORIZED in problems:
        extra["security"] = TOKEN_IF_SET
    return {"responses": responses, "openapi_extra": extra}


def _json(name: str) -> Schema:
    return {"application/json": {"schema": _reference(name)}}


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


ANY: Final = (400, 408, 421, 431)
GUARDED: Final = (*ANY, 401)
WORK: Final = (*GUARDED, 403, 413, 415, 422, 503)

IMAGE: Final = _operation(
    {"application/json": {"schema": VECTOR}},
    WORK,
    {"application/json": _reference("ImageRequest")},
    {"image": SMALLEST_PHOTO, "model": "clip"},
)
TAG: Final = _operation(
    _json("TagAnswer"),
    WORK,
    {"application/json": _reference("TagRequest"), "multipart/form-data": TAG_FORM},
    {"image": SMALLEST_PHOTO, "camera": "TQ 2990 8040", "subject": "TQ 2995 8140"},
)
SCORE: Final = _operation(
    _json("ScoreAnswer"),
    WORK,
    {"application/json": SCORE_REQUEST, "multipart/form-data": SCORE_FORM},
)
HEALTH: Final = _operation(_json("StatusAnswer"), ANY)
READY: Final = _operation(_json("StatusAnswer"), (*ANY, 503))
METRICS: Final = _operation({"text/plain": {"schema": {"type": "string"}}}, GUARDED)

MESSAGES: Final = (ImageRequest, TagRequest, TagAnswer, ScoreAnswer, StatusAnswer, ProblemDetails)


def complete(app: FastAPI) -> None:
    """Have the application describe itself in full."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    schema = get_openapi(
        title=app.title, version=app.version, summary=app.summary, routes=app.routes
    )
    _, components = msgspec.json.schema_components(
        MESSAGES, ref_template="#/components/schemas/{name}"
    )
    parts = schema.setdefault("components", {})
    parts["schemas"] = dict(components)
    parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for operations in schema["paths"].values():
        for operation in operations.values():
            # FastAPI's own answer to a parameter that it refuses is not ours.
            problem = operation["responses"].get("422")
            if problem and "HTTPValidationError" in str(problem):
                del operation["responses"]["422"]
    return schema
