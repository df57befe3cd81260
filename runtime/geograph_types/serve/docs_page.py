"""The page at /docs: the OpenAPI document in plain HTML, with nothing from other hosts."""

from collections.abc import Iterator
from html import escape
from typing import Any

import msgspec

__all__ = ["docs_page"]


def docs_page(document: dict[str, Any]) -> str:
    """Write an OpenAPI document as a page without scripts."""
    info = document["info"]
    title = escape(info["title"])
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
        "<meta name=viewport content='width=device-width'>"
        "<link rel=stylesheet href=page/style.css>"
        f"<h1>{title}</h1><p>{escape(info.get('summary', ''))} Model: {escape(info['version'])}."
        "<p>For programs: <a href=openapi.json>openapi.json</a>.",
    ]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            parts += _operation(f"{method.upper()} {path}", operation)
    parts.append("<h2>Schemas</h2>")
    for name, schema in document["components"]["schemas"].items():
        parts.append(f"<h3 id='{escape(name)}'>{escape(name)}</h3>{_pre(schema)}")
    return "\n".join(parts)


def _operation(name: str, operation: dict[str, Any]) -> Iterator[str]:
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
