"""Results as a file: JSON Lines, CSV or Parquet, by the file's suffix; there in full or not at all.

The columns are those of `geograph_types.photos.columns`.
"""

import csv
import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

import msgspec

from geograph_types.errors import InputError, OutputError
from geograph_types.files.atomic import new_file
from geograph_types.files.table import Cell
from geograph_types.files.text import without_surrogates
from geograph_types.photos.columns import COLUMNS, as_cells
from geograph_types.photos.result import PhotoResult


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


def json_line(result: PhotoResult) -> bytes:
    """Return one photo's line; bytes of its name that are not UTF-8 are escaped."""
    row = result.as_dict()
    row["photo"] = without_surrogates(row["photo"])
    return msgspec.json.encode(row) + b"\n"


@contextmanager
def json_writer(stream: BinaryIO) -> Iterator[Callable[[PhotoResult], None]]:
    """Write a line a photo."""

    def write(result: PhotoResult) -> None:
        stream.write(json_line(result))

    yield write


WriteResult: TypeAlias = Callable[[PhotoResult], None]


@contextmanager
def _parquet_writer(stream: BinaryIO) -> Iterator[WriteResult]:
    from geograph_types.files.parquet_table import cells_writer

    with cells_writer(stream, COLUMNS) as write:
        yield lambda result: write(as_cells(result))


WRITERS: Final[dict[str, Callable[[BinaryIO], AbstractContextManager[WriteResult]]]] = {
    ".jsonl": json_writer,
    ".csv": csv_writer,
    ".parquet": _parquet_writer,
}


def check_suffix(path: Path) -> None:
    """Refuse, before any work is done, a file that could not be written in the end."""
    suffix = path.suffix.casefold()
    if suffix not in WRITERS:
        raise InputError(f"{path} has none of the suffixes {', '.join(WRITERS)}: add one")
    if suffix == ".parquet":
        import geograph_types.files.parquet_table  # noqa: F401


@contextmanager
def new_results(path: Path) -> Iterator[WriteResult]:
    """Write results one by one; the file is there when the block ends well."""
    check_suffix(path)
    try:
        with new_file(path) as stream, WRITERS[path.suffix.casefold()](stream) as write:
            yield write
    except BrokenPipeError:  # of another output
        raise
    except OSError as error:
        raise OutputError(path, error.strerror or str(error)) from None
