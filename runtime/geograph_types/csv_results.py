"""Results as CSV (RFC 4180) in UTF-8."""

import csv
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from geograph_types.photos.columns import COLUMNS, Cell, as_cells
from geograph_types.photos.result import PhotoResult

__all__ = ["csv_writer"]


@contextmanager
def csv_writer(stream: BinaryIO) -> Iterator[Callable[[PhotoResult], None]]:
    """Write a line with the columns' names, and a line a photo."""
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="", write_through=True)
    try:
        writer = csv.DictWriter(text, list(COLUMNS))
        writer.writeheader()

        def write(result: PhotoResult) -> None:
            writer.writerow({name: _text(cell) for name, cell in as_cells(result).items()})

        yield write
    finally:
        # The stream is not ours to close.
        text.detach()


def _text(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case bool():
            return "true" if cell else "false"
        case tuple():
            return ",".join(cell)
        case str() if cell.lstrip()[:1] in tuple("=+-@"):
            return f"'{cell}"  # a spreadsheet would take it for a formula
        case _:
            return str(cell)
