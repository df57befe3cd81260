"""Results as JSON Lines."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

import msgspec

from geograph_types.files.text import without_surrogates
from geograph_types.photos.result import PhotoResult

__all__ = ["json_line", "json_writer"]


def json_line(result: PhotoResult) -> bytes:
    """Give one photo's line; bytes of its name that are not UTF-8 are escaped."""
    row = result.as_dict()
    row["photo"] = without_surrogates(row["photo"])
    return msgspec.json.encode(row) + b"\n"


@contextmanager
def json_writer(stream: BinaryIO) -> Iterator[Callable[[PhotoResult], None]]:
    """Write a line a photo."""

    def write(result: PhotoResult) -> None:
        stream.write(json_line(result))

    yield write
