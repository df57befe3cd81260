"""Walk through an ONNX file's outline, without onnx and without touching its numbers.

A graph may name other files that hold its weights. A digest of the graph says nothing of those, so
a bundle's graphs must not have any.

Source: `onnx.proto` of the ONNX specification, and the encoding of Protocol Buffers.
"""

from collections.abc import Iterator, Mapping
from enum import Enum, auto
from typing import Final


class OutlineError(ValueError):
    """The bytes are no ONNX model."""


class _Kind(Enum):
    """Messages that lead to tensors."""

    MODEL = auto()
    FUNCTION = auto()
    GRAPH = auto()
    NODE = auto()
    ATTRIBUTE = auto()
    TRAINING = auto()
    SPARSE = auto()
    TENSOR = auto()


PARTS: Final[Mapping[_Kind, Mapping[int, _Kind]]] = {
    _Kind.MODEL: {7: _Kind.GRAPH, 20: _Kind.TRAINING, 25: _Kind.FUNCTION},
    _Kind.FUNCTION: {7: _Kind.NODE, 11: _Kind.ATTRIBUTE},
    _Kind.GRAPH: {1: _Kind.NODE, 5: _Kind.TENSOR, 15: _Kind.SPARSE},
    _Kind.NODE: {5: _Kind.ATTRIBUTE},
    _Kind.ATTRIBUTE: {
        5: _Kind.TENSOR,
        6: _Kind.GRAPH,
        10: _Kind.TENSOR,
        11: _Kind.GRAPH,
        22: _Kind.SPARSE,
        23: _Kind.SPARSE,
    },
    _Kind.TRAINING: {1: _Kind.GRAPH, 2: _Kind.GRAPH},
    _Kind.SPARSE: {1: _Kind.TENSOR, 2: _Kind.TENSOR},
}
"""By message and field number, the messages inside."""

EXTERNAL_DATA, DATA_LOCATION = 13, 14
"""Fields of a tensor; the second is 0 where its numbers are inside."""

VARINT, FIXED_64, LENGTH, FIXED_32 = 0, 1, 2, 5
"""How a field is encoded."""
LONGEST_VARINT: Final = 10


def has_external_data(model: memoryview) -> bool:
    """Say whether a tensor's numbers lie in another file.

    Args:
        model: the file's bytes.

    Raises:
        OutlineError: they are no ONNX model.
    """
    waiting = [(_Kind.MODEL, model)]
    graphs = 0
    while waiting:
        kind, message = waiting.pop()
        graphs += kind is _Kind.GRAPH
        for field, value in _fields(message):
            if kind is _Kind.TENSOR:
                if field == EXTERNAL_DATA or (field == DATA_LOCATION and value != 0):
                    return True
            elif field in PARTS[kind]:
                if not isinstance(value, memoryview):
                    raise OutlineError("a message is encoded as a number")
                waiting.append((PARTS[kind][field], value))
    if not graphs:
        raise OutlineError("there is no graph")
    return False


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Give each field's number and its value: a number, or the bytes in it."""
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        field, encoding = tag >> 3, tag & 7
        value: int | memoryview
        if encoding == VARINT:
            value, place = _varint(message, place)
        elif encoding in (FIXED_64, FIXED_32, LENGTH):
            size = {FIXED_64: 8, FIXED_32: 4}.get(encoding, 0)
            if encoding == LENGTH:
                size, place = _varint(message, place)
            value = message[place : place + size]
            if len(value) != size:
                raise OutlineError("it is cut off")
            place += size
        else:
            raise OutlineError(f"byte {place} begins no field")
        yield field, value


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    """Read a number of 7 bits a byte; give it and the place behind it."""
    value = 0
    for shift in range(LONGEST_VARINT):
        if place + shift >= len(message):
            raise OutlineError("it is cut off")
        byte = message[place + shift]
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return value, place + shift + 1
    raise OutlineError(f"byte {place} begins no number")
