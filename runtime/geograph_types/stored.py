"""Read stored embeddings from whichever file holds them: Parquet, JSON Lines or a numpy array."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geograph_types.distance import UNKNOWN_BUCKET, Distance
from geograph_types.embedding import EMBEDDING_DIMENSION
from geograph_types.errors import DistanceError, InputError, RowError, RowFault
from geograph_types.published import RowBatch, embedding_row_faults, open_lines, read_json_rows

__all__ = ["read_rows"]

PARQUET_MAGIC: Final = b"PAR1"
NUMPY_MAGIC: Final = b"\x93NUMPY"
BATCH_ROWS: Final = 4096


def read_rows(path: Path, distances: Path | None = None) -> Iterator[RowBatch]:
    """Read stored embeddings and distances batch by batch, in constant memory.

    The kind of file is told by its first bytes.

    Args:
        path: Parquet or JSON Lines (plain or gzipped) in the published schema, or a numpy array
            [N, 512] of floats.
        distances: for a numpy array, a text file with a distance on each line (metres, nothing
            for 0, or "Unknown"); without it all distances are unknown.

    Yields:
        Batches in order; a bad row becomes an error of its batch.

    Raises:
        InputError: the file cannot be read, or is none of these; or `distances` does not fit.
        ModuleNotFoundError: Parquet without pyarrow (extra `parquet`).
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
        from geograph_types.parquet import read_parquet_rows

        yield from read_parquet_rows(path)
        return
    with open_lines(path) as lines:
        try:
            batches = read_json_rows(lines)
            first = next(batches, None)
            if first is None or (
                not len(first.rows) and any(e.fault is RowFault.NOT_JSON for e in first.errors)
            ):
                raise InputError(
                    f"{path} is neither Parquet, JSON Lines nor a numpy array of embeddings"
                )
            yield first
            yield from batches
        except (EOFError, OSError) as error:
            raise InputError(f"{path} breaks off or is damaged ({error})") from None


def _read_array(path: Path, distances: Path | None) -> Iterator[RowBatch]:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} is no readable numpy array ({error})") from None
    if array.dtype.kind != "f" or array.ndim != 2 or array.shape[1] != EMBEDDING_DIMENSION:
        raise InputError(
            f"{path} holds {array.dtype} {array.shape}, not floats [N, {EMBEDDING_DIMENSION}]"
        )
    texts = _distance_texts(distances, len(array))
    for start in range(0, len(array), BATCH_ROWS):
        embeddings = np.asarray(array[start : start + BATCH_ROWS], np.float32)
        rows = np.arange(start, start + len(embeddings), dtype=np.int64) + 1
        buckets, errors = _buckets(texts[start : start + BATCH_ROWS], rows)
        errors |= embedding_row_faults(embeddings, rows)
        keep = np.ones(len(rows), bool)
        keep[list(errors)] = False
        failed = tuple(errors[index] for index in sorted(errors))
        yield RowBatch(rows[keep], rows[keep], embeddings[keep], buckets[keep], failed)


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


def _buckets(
    texts: list[str], rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], dict[int, RowError]]:
    buckets = np.full(len(texts), UNKNOWN_BUCKET, np.int64)
    errors: dict[int, RowError] = {}
    for index, text in enumerate(texts):
        try:
            buckets[index] = Distance.parse(text).bucket
        except DistanceError as error:
            errors[index] = RowError(int(rows[index]), RowFault.BAD_DISTANCE, str(error))
    return buckets, errors
