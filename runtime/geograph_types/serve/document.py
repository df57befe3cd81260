"""What the OpenAPI document says beyond the paths, and the page that shows it at `/docs`."""

from collections.abc import Iterator
from html import escape
from typing import Any, Final

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from geograph_types.serve import messages
from geograph_types.serve.problems import MEDIA_TYPE, ProblemDetails

Schema = dict[str, Any]

REFERENCE: Final = "#/components/schemas/{name}"
FORM: Final = "multipart/form-data"

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
ANY: Final = (400, 408, 421, 431)
GUARDED: Final = (*ANY, 401)
WORK: Final = (*GUARDED, 403, 413, 415, 422, 503)

# A grey pixel as PNG, in base64: something to try the service with.
SMALLEST_PHOTO: Final = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
)
PLACES: Final = {"camera": "TQ 2990 8040", "subject": "TQ 2995 8140"}


def _content(message: Any, media_type: str = "application/json") -> Schema:
    (schema,), _ = msgspec.json.schema_components([message], ref_template=REFERENCE)
    return {media_type: {"schema": schema}}


def _json(message: Any, **example: str) -> Schema:
    content = _content(message)
    content["application/json"]["example"] = example
    return content


def _operation(answer: Schema, problems: tuple[int, ...], body: Schema | None = None) -> Schema:
    """Return what FastAPI cannot see of a path that reads its own body, or asks for the token."""
    problem = _content(ProblemDetails, MEDIA_TYPE)
    responses: Schema = {"200": {"description": "Success.", "content": answer}}
    for status in problems:
        responses[str(status)] = {"description": TITLES[status], "content": problem}
    extra: Schema = {}
    if body is not None:
        extra["requestBody"] = {"required": True, "content": body}
    if 401 in problems:
        extra["security"] = [{"token": []}, {}]  # it may have been started without one
    return {"responses": responses, "openapi_extra": extra}


STATUS: Final = _content(messages.StatusAnswer)

IMAGE: Final = _operation(
    _content(messages.Vector),
    WORK,
    _json(messages.ImageRequest, image=SMALLEST_PHOTO, model="clip"),
)
TAG: Final = _operation(
    _content(messages.TagAnswer),
    WORK,
    _json(messages.TagRequest, image=SMALLEST_PHOTO, **PLACES) | _content(messages.TagForm, FORM),
)
SCORE: Final = _operation(
    _content(messages.ScoreAnswer),
    WORK,
    _content(messages.ScoreRequest) | _content(messages.ScoreForm, FORM),
)
HEALTH: Final = _operation(STATUS, ANY)
READY: Final = _operation(STATUS, (*ANY, 503))
METRICS: Final = _operation(_content(str, "text/plain"), GUARDED)


def complete(app: FastAPI) -> None:
    """Have the application describe itself in full."""
    schema = get_openapi(
        title=app.title, version=app.version, summary=app.summary, routes=app.routes
    )
    structs = [one for one in vars(messages).values() if isinstance(one, msgspec.StructMeta)]
    _, components = msgspec.json.schema_components(
        [*structs, ProblemDetails], ref_template=REFERENCE
    )
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
        schema = escape(body["schema"]["$ref"].rpartition("/")[2])
        yield f"<h3>Request, {escape(kind)}</h3><p>See <a href='#{schema}'>{schema}</a>.</p>"
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
