"""What the OpenAPI document says beyond the paths, and the page that shows it at `/docs`."""

from collections.abc import Iterator
from html import escape
from typing import Any, Final

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from geograph_types.embedding import EMBEDDING_DIMENSION
from geograph_types.serve import messages
from geograph_types.serve.payloads import MAX_ROWS
from geograph_types.serve.problems import MEDIA_TYPE, ProblemDetails

Schema = dict[str, Any]

TITLES: Final = {
    400: "The request is not as described.",
    401: "The service's token is missing.",
    403: "The request comes from a page of another site.",
    408: "The request came too slowly.",
    413: "The body or the photo is too large.",
    415: "Another content type or encoding, or a file that is not a photo.",
    421: "The service was called by a foreign name.",
    431: "Lines and headers are too large.",
    422: "A photo, position, distance or embedding that cannot be used.",
    503: "Too much to do, or not loaded yet: try again after `Retry-After`.",
}

REFERENCE: Final = "#/components/schemas/{name}"

SMALLEST_PHOTO: Final = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
)
"""A grey pixel as PNG, in base64: something to try the service with."""


def _object(required: str, **properties: Schema) -> Schema:
    return {"type": "object", "required": required.split(), "properties": properties}


def _text(description: str) -> Schema:
    return {"type": "string", "description": description}


def _file(description: str) -> Schema:
    return _text(description) | {"contentMediaType": "application/octet-stream"}


def _list(items: Schema, description: str) -> Schema:
    return {"type": "array", "items": items, "description": description}


VECTOR: Final = _list({"type": "number"}, "One embedding.") | {
    "minItems": EMBEDDING_DIMENSION,
    "maxItems": EMBEDDING_DIMENSION,
}

METRES: Final = {"type": ["number", "null"], "minimum": 0}

SCORE_REQUEST: Final = _object(
    "embeddings distances",
    embeddings=_list(VECTOR, f"Raw CLIP embeddings, not normalised; {MAX_ROWS} at most."),
    distances=_list(METRES, "Metres for each embedding; null if unknown."),
)

SCORE_FORM: Final = _object(
    "embeddings distances",
    embeddings=_file("Little-endian float32 numbers, 512 to a row."),
    distances=_text("A JSON list, as in the JSON request."),
)

TAG_FORM: Final = _object(
    "photo",
    photo=_file("The photo's file."),
    distance=_text("Metres; empty or Unknown if not known."),
    camera=_text("TQ 299 804, or 51.5081, -0.1281."),
    subject=_text("As camera."),
)


def _named(message: type[msgspec.Struct]) -> Schema:
    return {"$ref": REFERENCE.format(name=message.__name__)}


def _content(schema: Schema, media_type: str = "application/json") -> Schema:
    return {media_type: {"schema": schema}}


def _operation(answer: Schema, problems: tuple[int, ...], body: Schema | None = None) -> Schema:
    """Return what FastAPI cannot see of a path that reads its own body, or asks for the token."""
    problem = _content(_named(ProblemDetails), MEDIA_TYPE)
    responses: Schema = {"200": {"description": "Success.", "content": answer}}
    for status in problems:
        responses[str(status)] = {"description": TITLES[status], "content": problem}
    extra: Schema = {}
    if body is not None:
        extra["requestBody"] = {"required": True, "content": body}
    if 401 in problems:
        extra["security"] = [{"token": []}, {}]  # it may have been started without one
    return {"responses": responses, "openapi_extra": extra}


ANY: Final = (400, 408, 421, 431)
GUARDED: Final = (*ANY, 401)
WORK: Final = (*GUARDED, 403, 413, 415, 422, 503)

IMAGE_BODY: Final = _content(_named(messages.ImageRequest))
IMAGE_BODY["application/json"]["example"] = {"image": SMALLEST_PHOTO, "model": "clip"}

TAG_BODY: Final = _content(_named(messages.TagRequest)) | _content(TAG_FORM, "multipart/form-data")
TAG_BODY["application/json"]["example"] = {
    "image": SMALLEST_PHOTO,
    "camera": "TQ 2990 8040",
    "subject": "TQ 2995 8140",
}

SCORE_BODY: Final = _content(SCORE_REQUEST) | _content(SCORE_FORM, "multipart/form-data")

IMAGE: Final = _operation(_content(VECTOR), WORK, IMAGE_BODY)
TAG: Final = _operation(_content(_named(messages.TagAnswer)), WORK, TAG_BODY)
SCORE: Final = _operation(_content(_named(messages.ScoreAnswer)), WORK, SCORE_BODY)
HEALTH: Final = _operation(_content(_named(messages.StatusAnswer)), ANY)
READY: Final = _operation(_content(_named(messages.StatusAnswer)), (*ANY, 503))
METRICS: Final = _operation(_content({"type": "string"}, "text/plain"), GUARDED)

MESSAGES: Final = (
    messages.ImageRequest,
    messages.TagRequest,
    messages.TagAnswer,
    messages.ScoreAnswer,
    messages.StatusAnswer,
    ProblemDetails,
)


def complete(app: FastAPI) -> None:
    """Have the application describe itself in full."""
    schema = get_openapi(
        title=app.title, version=app.version, summary=app.summary, routes=app.routes
    )
    _, components = msgspec.json.schema_components(MESSAGES, ref_template=REFERENCE)
    schema["components"] = {
        "schemas": components,
        "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
    }
    for operations in schema["paths"].values():
        for operation in operations.values():
            # FastAPI's own answer to a parameter that it refuses is not ours.
            if "HTTPValidationError" in str(operation["responses"].get("422")):
                del operation["responses"]["422"]
    app.openapi = lambda: schema  # type: ignore[method-assign]


def docs_page(document: Schema) -> str:
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


def _section(name: str, operation: Schema) -> Iterator[str]:
    yield f"<h2>{escape(name)}</h2><p>{escape(operation.get('description', ''))}"
    for parameter in operation.get("parameters", ()):
        yield f"<h3>Parameter</h3>{_pre(parameter)}"
    for kind, body in operation.get("requestBody", {}).get("content", {}).items():
        yield f"<h3>Request, {escape(kind)}</h3>{_schema(body['schema'])}"
        if "example" in body:
            yield f"<p>For example:</p>{_pre(body['example'])}"
    yield "<h3>Answers</h3><dl>"
    for status, answer in operation["responses"].items():
        kinds = ", ".join(answer.get("content", {}))
        yield f"<dt>{escape(status)} {escape(kinds)}<dd>{escape(answer['description'])}"
    yield "</dl>"


def _schema(schema: Schema) -> str:
    """Show a schema, or refer to where it stands on the page."""
    name = escape(schema.get("$ref", "").rpartition("/")[2])
    return f"<p>See <a href='#{name}'>{name}</a>.</p>" if name else _pre(schema)


def _pre(value: Any) -> str:
    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    return f"<pre>{escape(text)}</pre>"
