"""Read multipart forms (RFC 7578); the only module that imports python_multipart."""

from collections.abc import Callable, Mapping
from typing import Any

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from geograph_types.serve.problems import ProblemError, Reason

PARTS = 20
"""More parts than any request has; each costs time and memory."""


def media_type(content_type: str) -> str:
    """Return the type of a Content-Type header, without its parameters, in small letters."""
    return content_type.partition(";")[0].strip().lower()


def read_form(body: bytes, content_type: str, limits: Mapping[str, int | None]) -> dict[str, bytes]:
    """Read the fields of a form.

    Args:
        body: the whole form.
        content_type: the header, which names the boundary.
        limits: the fields that are wanted, each with the most bytes it may have; others are passed
            over.

    Returns:
        The fields that there are; of a name that comes twice, the last.

    Raises:
        ProblemError: 400.
    """
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise ProblemError(400, Reason.BAD_MULTIPART, "the content type names no boundary")
    form = _Form(limits)
    try:
        parser = MultipartParser(boundary, form.callbacks())  # type: ignore[arg-type]
        parser.write(body)
        parser.finalize()
    except FormParserError as error:  # a boundary that is too long is no parse error
        raise ProblemError(400, Reason.BAD_MULTIPART, f"the form cannot be read: {error}") from None
    if not form.is_complete:
        raise ProblemError(400, Reason.BAD_MULTIPART, "the form is cut off, or has no parts")
    return form.fields


class _Form:
    """Collect what the parser finds."""

    def __init__(self, limits: Mapping[str, int | None]) -> None:
        self.fields: dict[str, bytes] = {}
        self.is_complete = False
        self._limits = limits
        self._parts = 0
        self._header = b""
        self._value = b""
        self._disposition = b""
        self._content: list[bytes] = []

    def callbacks(self) -> dict[str, Callable[..., Any]]:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._name_of_header,
            "on_header_value": self._value_of_header,
            "on_header_end": self._end_of_header,
            "on_part_data": self._data,
            "on_part_end": self._end_of_part,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > PARTS:
            raise ProblemError(400, Reason.BAD_MULTIPART, f"the form has more than {PARTS} parts")
        self._disposition, self._content = b"", []

    def _name_of_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _value_of_header(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_of_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header = self._value = b""

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._content.append(data[start:end])

    def _end_of_part(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = options.get(b"name", b"").decode("latin-1")
        content, self._content = b"".join(self._content), []
        if name not in self._limits:
            return
        limit = self._limits[name]
        if limit is not None and len(content) > limit:
            detail = f"field {name!r} has more than {limit} bytes"
            raise ProblemError(400, Reason.BAD_REQUEST, detail)
        self.fields[name] = content

    def _end(self) -> None:
        self.is_complete = True
