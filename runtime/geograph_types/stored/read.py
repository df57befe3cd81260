"""Read stored embeddings from whatever holds them: Parquet, JSON Lines or a numpy array."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from geograph_types.embedding import EMBEDDING_DIMENSION
from geograph_types.errors import InputError, RowFault
from geograph_types.files.lines import as_seekable, open_input, peek, read_lines
from geograph_types.stored.batch import (
    DatasetBatch,
    RowBatch,
    check_rows,
    distance_faults,
    metres_of,
)
from geograph_types.stored.json_lines import decode_lines

PARQUET_MAGIC: Final = b"PAR1"
NUMPY_MAGIC: Final = b"\x93NUMPY"
BATCH_ROWS: Final = 4096

Decode: TypeAlias = Callable[[], RowBatch]
"""What decodes one batch, in any thread; its vectors are still to be checked."""


@dataclass(frozen=True, slots=True)
class Distances:
    """Distances of a numpy array's rows, from a file of their own."""

    path: Path
    texts: list[str]
    sha256: str

    @classmethod
    def read(cls, path: Path) -> "Distances":
        """Read a text file with a distance on each line: metres, nothing for 0, or "Unknown"."""
        with open_input(path) as stream:
            try:
                data = stream.read()
                texts = data.decode("utf-8-sig").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise InputError(f"{path} cannot be read ({error})") from None
        return cls(path, texts, hashlib.sha256(data).hexdigest())


def read_rows(path: Path, distances: Distances | None = None) -> Iterator[RowBatch]:
    """Read stored embeddings and distances batch by batch, in constant memory.

    Args:
        path: Parquet or JSON Lines (plain or gzipped) in the published schema, or a numpy array
            [N, 512] of floats; recognised by its first bytes.
        distances: for a numpy array; without them all distances are unknown.

    Yields:
        Batches in order; a bad row becomes an error of its batch.
    """
    for decode in undecoded_rows(path, distances):
        yield check_rows(decode())


def read_dataset(path: Path) -> Iterator[DatasetBatch]:
    """Read the rows that can be scored, with all columns, from Parquet or JSON Lines."""
    with open_input(path) as opened:
        head, stream = peek(opened, len(PARQUET_MAGIC))
        for decode in published_rows(head, stream, path, all_columns=True):
            rows = check_rows(decode()).dataset
            if rows is not None and len(rows.ids):
                yield rows


def undecoded_rows(path: Path, distances: Distances | None = None) -> Iterator[Decode]:
    """Read as `read_rows` does, and leave it to the caller to decode and check each batch."""
    with open_input(path) as opened:
        head, stream = peek(opened, len(NUMPY_MAGIC))
        if distances is not None and head and head != NUMPY_MAGIC:
            raise InputError(f"{path} has its own distances: leave the file of distances out")
        if head == NUMPY_MAGIC:
            with as_seekable(stream) as file:
                yield from _read_array(file, path, distances)
        else:
            yield from published_rows(head, stream, path)


def published_rows(
    head: bytes, stream: BinaryIO, path: Path, all_columns: bool = False
) -> Iterator[Decode]:
    """Read Parquet or JSON Lines in the published schema.

    Args:
        head: the stream's first bytes.
        stream: the file, from its beginning.
        path: names it in errors.
        all_columns: require and keep the columns that training needs too.
    """
    if not head:
        raise InputError(f"{path} is empty")
    if head.startswith(PARQUET_MAGIC):
        from geograph_types.stored.parquet import read_parquet

        with as_seekable(stream) as file:
            yield from read_parquet(file, path, all_columns)
    else:
        yield from _read_json(stream, path, all_columns)


def _read_json(stream: BinaryIO, path: Path, all_columns: bool) -> Iterator[Decode]:
    lines = read_lines(stream, path)
    chunk = list(islice(lines, BATCH_ROWS))
    if not chunk:
        raise InputError(f"{path} is empty")
    batch = decode_lines(chunk, 1, all_columns)
    if not len(batch.rows) and RowFault.NOT_JSON in {error.fault for error in batch.errors}:
        raise InputError(
            f"{path} is neither Parquet, JSON Lines nor a numpy array of embeddings: name the "
            "published dataset, or a file from 'dataset convert' or 'embed'"
        )
    yield lambda: batch
    first = 1 + len(chunk)
    while chunk := list(islice(lines, BATCH_ROWS)):
        yield partial(decode_lines, chunk, first, all_columns)
        first += len(chunk)


def count_rows(paths: Iterable[Path]) -> int | None:
    """Count the rows of files that state it; `None` if one of them does not."""
    total = 0
    for path in paths:
        if not path.is_file():  # a pipe is read only once
            return None
        try:
            with open_input(path) as stream:
                if stream.read(len(PARQUET_MAGIC)) != PARQUET_MAGIC:
                    return None
                from geograph_types.stored.parquet import parquet_rows

                total += parquet_rows(stream, path)
        except (OSError, InputError):
            return None
    return total


def _read_array(stream: BinaryIO, path: Path, distances: Distances | None) -> Iterator[Decode]:
    count, kind = _array_header(stream, path)
    if not count:
        raise InputError(f"{path} has no rows: its array is {(count, EMBEDDING_DIMENSION)}")
    texts = ["Unknown"] * count if distances is None else distances.texts
    if distances is not None and len(texts) != count:
        raise InputError(
            f"{distances.path} has {len(texts)} lines for {count} embeddings: one each"
        )
    # Reading, unlike mapping, does not leave the whole file in this process's memory.
    for start in range(0, count, BATCH_ROWS):
        some = texts[start : start + BATCH_ROWS]
        values = np.fromfile(stream, kind, len(some) * EMBEDDING_DIMENSION)
        yield partial(_decode_array, values, some, start + 1)


def _array_header(stream: BinaryIO, path: Path) -> tuple[int, np.dtype[np.floating]]:
    """Return rows and type of an array, and leave the stream where its numbers begin."""
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    try:
        shape, by_column, kind = read_header[np.lib.format.read_magic(stream)](stream)
    except Exception as error:  # numpy reads it as Python, whose parser has errors of many kinds
        detail = " ".join(str(error).split())
        raise InputError(f"{path} is not a readable numpy array ({detail})") from None
    if kind.kind != "f" or len(shape) != 2 or shape[1] != EMBEDDING_DIMENSION or shape[0] < 0:
        raise InputError(f"{path} holds {kind} {shape}, not floats [N, {EMBEDDING_DIMENSION}]")
    if by_column:
        raise InputError(f"{path} is stored column by column: save numpy.ascontiguousarray of it")
    start, end = stream.tell(), stream.seek(0, os.SEEK_END)
    missing = shape[0] * EMBEDDING_DIMENSION * kind.itemsize - (end - start)
    if missing:
        detail = "it is cut off" if missing > 0 else f"{-missing} bytes follow its {shape[0]} rows"
        raise InputError(f"{path} is not a readable numpy array ({detail})")
    stream.seek(start)
    return shape[0], kind


def _decode_array(values: NDArray[np.floating], texts: Sequence[str], first: int) -> RowBatch:
    rows = np.arange(first, first + len(texts), dtype=np.int64)
    metres, bad_distances = metres_of(texts)
    embeddings = values.reshape(-1, EMBEDDING_DIMENSION)
    batch = RowBatch(rows, None, embeddings, metres, ())
    return batch.without(distance_faults(bad_distances.items()))
