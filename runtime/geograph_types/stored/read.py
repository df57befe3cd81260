"""Read stored embeddings from whichever file holds them: Parquet, JSON Lines or a numpy array."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import numpy as np

from geograph_types.embedding import EMBEDDING_DIMENSION, widen
from geograph_types.errors import InputError, RowFault
from geograph_types.files.lines import read_lines
from geograph_types.stored.batch import RowBatch, check_rows, metres_of
from geograph_types.stored.json_lines import read_json_rows

PARQUET_MAGIC: Final = b"PAR1"
NUMPY_MAGIC: Final = b"\x93NUMPY"
BATCH_ROWS: Final = 4096


def read_rows(path: Path, distances: Path | None = None) -> Iterator[RowBatch]:
    """Read stored embeddings and distances batch by batch, in constant memory.

    The kind of file is told by its first bytes.
    """
    try:
        with path.open("rb") as stream:
            magic = stream.read(len(NUMPY_MAGIC))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from None
    if not magic:
        raise InputError(f"{path} is empty")
    if magic == NUMPY_MAGIC:
        yield from _read_array(path, distances)
        return
    if distances is not None:
        raise InputError(f"{path} has distances of its own: leave the file of distances out")
    if magic.startswith(PARQUET_MAGIC):
        from geograph_types.stored.parquet import read_parquet_rows

        yield from read_parquet_rows(path)
        return
    batches = read_json_rows(read_lines(path))
    first = next(batches, None)
    if first is None or (
        not len(first.rows) and any(e.fault is RowFault.NOT_JSON for e in first.errors)
    ):
        raise InputError(
            f"{path} is neither Parquet, JSON Lines nor a numpy array of embeddings: give the "
            "published dataset, or what 'dataset convert' or 'embed' made"
        )
    yield first
    yield from batches


def count_rows(paths: Iterable[Path]) -> int | None:
    """Count the rows of files that tell without being read; `None` where one of them does not."""
    total = 0
    for path in paths:
        try:
            with path.open("rb") as stream:
                if stream.read(len(PARQUET_MAGIC)) != PARQUET_MAGIC:
                    return None
            from geograph_types.stored.parquet import dataset_rows

            total += dataset_rows(path)
        except (OSError, InputError):
            return None
    return total


def _read_array(path: Path, distances: Path | None) -> Iterator[RowBatch]:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} is not a readable numpy array ({error})") from None
    if array.dtype.kind != "f" or array.ndim != 2 or array.shape[1] != EMBEDDING_DIMENSION:
        raise InputError(
            f"{path} holds {array.dtype} {array.shape}, not floats [N, {EMBEDDING_DIMENSION}]"
        )
    if not array.flags.c_contiguous:
        raise InputError(f"{path} is stored column by column: save numpy.ascontiguousarray of it")
    texts = _distance_texts(distances, len(array))
    # Reading, unlike mapping, does not leave the whole file in this process's memory.
    with path.open("rb") as stream:
        stream.seek(array.offset)
        for start in range(0, len(array), BATCH_ROWS):
            rows = np.arange(start, min(start + BATCH_ROWS, len(array)), dtype=np.int64) + 1
            values = np.fromfile(stream, array.dtype, len(rows) * EMBEDDING_DIMENSION)
            embeddings = widen(values).reshape(-1, EMBEDDING_DIMENSION)
            metres, bad_distances = metres_of(texts[start : start + BATCH_ROWS])
            yield check_rows(RowBatch(rows, None, embeddings, metres, ()), bad_distances.items())


def _distance_texts(path: Path | None, count: int) -> list[str]:
    if path is None:
        return ["Unknown"] * count
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error})") from None
    if len(lines) != count:
        raise InputError(f"{path} has {len(lines)} lines for {count} embeddings: one each")
    return lines
