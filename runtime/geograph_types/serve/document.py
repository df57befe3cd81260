"""The service's OpenAPI document, and the page that shows it at `/docs`."""

import re
from html import escape
from typing import Any, Final

import msgspec

from geograph_types.serve import messages
from geograph_types.serve.problems import MEDIA_TYPE, ProblemDetails

Schema = dict[str, Any]

REFERENCE: Final = "#/components/schemas/{name}"
LINKED: Final = re.compile(r"#/components/schemas/(\w+)")
LINK: Final = r"<a href=#\1>\1</a>"
FORM: Final = "multipart/form-data"

PROBLEMS: Final = {
    400: "The request is not as described.",
    401: "The service's token is missing.",
    403: "The request comes from a page of another site.",
    408: "The request came too slowly.",
    413: "The body or the photo is too large.",
    415: "Another content type or encoding, or a file that is not a photo.",
    421: "The service was called by a foreign name.",
    422: "A photo, position, distance or embedding that cannot be used.",
    431: "Lines and headers are too large.",
    503: "Too much to do, or not loaded yet: try again after `Retry-After`.",
}
ANY: Final = (400, 408, 421, 431)

# A grey pixel as PNG, in base64: something to try the service with.
PHOTO: Final = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
)
EMBEDDING: Final = {
    "name": "embedding",
    "in": "query",
    "description": "Answer with the embedding, too.",
    "schema": {"type": "boolean", "default": False},
}


def _content(message: Any, media_type: str = "application/json", **example: str) -> Schema:
    (schema,), _ = msgspec.json.schema_components([message], ref_template=REFERENCE)
    return {media_type: {"schema": schema} | ({"example": example} if example else {})}


def _operation(description: str, answer: Schema, problems: tuple[int, ...], **more: Any) -> Schema:
    responses: Schema = {"200": {"description": "Success.", "content": answer}}
    for status in problems:
        content = _content(ProblemDetails, MEDIA_TYPE)
        responses[str(status)] = {"description": PROBLEMS[status], "content": content}
    if 401 in problems:
        more["security"] = [{"token": []}, {}]  # it may have been started without one
    return {"description": description, "responses": responses, **more}


def _work(description: str, answer: Any, body: Schema, **more: Any) -> Schema:
    more["requestBody"] = {"required": True, "content": body}
    return {"post": _operation(description, _content(answer), tuple(PROBLEMS), **more)}


def _status(description: str, answer: Schema, problems: tuple[int, ...]) -> Schema:
    return {"get": _operation(description, answer, problems)}


STATUS: Final = _content(messages.StatusAnswer)
PATHS: Final = {
    "/image": _work(
        "Embed a photo: a list of 512 numbers, raw, not normalised.",
        messages.Vector,
        _content(messages.ImageRequest, image=PHOTO, model="clip"),
    ),
    "/tag": _work(
        "Tag a photo, with a distance, two positions, or neither.",
        messages.TagAnswer,
        _content(messages.TagRequest, image=PHOTO, camera="TQ 2990 8040", subject="TQ 2995 8140")
        | _content(messages.TagForm, FORM),
        parameters=[EMBEDDING],
    ),
    "/score": _work(
        "Score stored embeddings with their distances; no photo is needed.",
        messages.ScoreAnswer,
        _content(messages.ScoreRequest) | _content(messages.ScoreForm, FORM),
    ),
    "/health": _status("Report that the service runs.", STATUS, ANY),
    "/ready": _status(
        "Report whether photos are answered; a dropped model is loaded again when needed.",
        STATUS,
        (*ANY, 503),
    ),
    "/metrics": _status("Return figures.", _content(str, "text/plain"), (*ANY, 401)),
}


def openapi(version: str) -> Schema:
    """Describe a service whose model is of this name and version."""
    structs = [one for one in vars(messages).values() if isinstance(one, msgspec.StructMeta)]
    _, schemas = msgspec.json.schema_components([*structs, ProblemDetails], ref_template=REFERENCE)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "geograph-types",
            "summary": "Type tags and CLIP embeddings of Geograph photographs.",
            "version": version,
        },
        "paths": PATHS,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def docs_page(document: Schema) -> bytes:
    """Write an OpenAPI document as a page without scripts."""
    title, summary, version = (escape(text) for text in document["info"].values())
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
        "<meta name=viewport content='width=device-width'>"
        "<link rel=stylesheet href=page/style.css>"
        f"<h1>{title}</h1><p>{summary} Model: {version}."
        "<p>API documentation: <a href=openapi.json>openapi.json</a>.",
    ]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            parts.append(f"<h2>{method.upper()} {path}</h2><p>{escape(operation['description'])}")
            for name in ("parameters", "requestBody"):
                parts += [_pre(operation[name])] if name in operation else []
            parts.append("<h3>Answers</h3><dl>")
            for status, answer in operation["responses"].items():
                kinds = f"{status} {', '.join(answer['content'])}"
                parts.append(f"<dt>{kinds}<dd>{escape(answer['description'])}")
            parts.append("</dl>")
    parts.append("<h2>Schemas</h2>")
    for name, schema in document["components"]["schemas"].items():
        parts.append(f"<h3 id={name}>{name}</h3>{_pre(schema)}")
    return "\n".join(parts).encode()


def _pre(value: Any) -> str:
    """Show JSON, in which each schema that is named is a link."""
    text = escape(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
    return f"<pre>{LINKED.sub(LINK, text)}</pre>"
