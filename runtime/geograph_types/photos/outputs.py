"""Results as a file: JSON Lines, CSV or Parquet, by the file's suffix; there in full or not at all.

The columns are those of `geograph_types.photos.columns`.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

from geograph_types.files.atomic import new_file
from geograph_types.csv_results import csv_writer
from geograph_types.errors import InputError, OutputError
from geograph_types.json_results import json_writer
from geograph_types.photos.result import PhotoResult

__all__ = ["check_suffix", "new_results"]

WriteResult: TypeAlias = Callable[[PhotoResult], None]


@contextmanager
def _parquet_writer(stream: BinaryIO) -> Iterator[WriteResult]:
    from geograph_types.files.parquet_table import results_writer

    with results_writer(stream) as write:
        yield write


WRITERS: Final[dict[str, Callable[[BinaryIO], AbstractContextManager[WriteResult]]]] = {
    ".jsonl": json_writer,
    ".csv": csv_writer,
    ".parquet": _parquet_writer,
}


def check_suffix(path: Path) -> None:
    """Refuse, before any work is done, a file that could not be written in the end.

    Raises:
        InputError: its suffix is none of those that are known.
        MissingExtraError: it is to be Parquet, and pyarrow is not installed.
    """
    suffix = path.suffix.casefold()
    if suffix not in WRITERS:
        raise InputError(f"{path} has none of the suffixes {', '.join(WRITERS)}: name it so")
    if suffix == ".parquet":
        import geograph_types.stored.parquet  # noqa: F401


@contextmanager
def new_results(path: Path) -> Iterator[WriteResult]:
    """Write results one by one; the file is there when the block ends well.

    Raises:
        InputError: as `check_suffix`, or what is at `path` is no ordinary file.
        OutputError: it cannot be written. What was at `path` stays.
    """
    check_suffix(path)
    try:
        with new_file(path) as stream, WRITERS[path.suffix.casefold()](stream) as write:
            yield write
    except BrokenPipeError:  # of another output
        raise
    except OSError as error:
        raise OutputError(path, error.strerror or str(error)) from None
