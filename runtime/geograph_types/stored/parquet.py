"""Stored embeddings and datasets in Parquet, whichever software wrote them."""

import json
import sys
from binascii import a2b_base64
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from geograph_types.embedding import EMBEDDING_DIMENSION
from geograph_types.errors import InputError, MissingExtraError, RowError, RowFault
from geograph_types.files.lines import open_input
from geograph_types.files.parquet_table import METADATA_KEY
from geograph_types.stored.batch import (
    BAD_ID,
    VECTOR_BYTES,
    DatasetBatch,
    Faults,
    RowBatch,
    distance_faults,
    distance_text,
    metres_of,
    wrong_length,
)

try:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
    from pyarrow import types
except ModuleNotFoundError:
    raise MissingExtraError("pyarrow", "parquet") from None

BATCH_ROWS: Final = 4096
READ_BYTES: Final = 1 << 20
"""Read of a column at once: without a limit, it is a whole row group of any size."""

EXACT_FLOATS: Final = 2.0**53
"""Up to here, float64 holds every whole number."""

SCORED: Final = ("gridimage_id", "embeddings", "distance")
REQUIRED: Final = (*SCORED, "types", "split")


def _is_text(kind: pa.DataType) -> bool:
    plain = kind.value_type if types.is_dictionary(kind) else kind
    return bool(
        types.is_string(plain) or types.is_large_string(plain) or types.is_string_view(plain)
    )


def _is_number(kind: pa.DataType) -> bool:
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind))


def _is_vectors(kind: pa.DataType) -> bool:
    fixed = types.is_fixed_size_list(kind) and kind.list_size == EMBEDDING_DIMENSION
    free = types.is_list(kind) or types.is_large_list(kind)
    return (fixed or free) and bool(types.is_floating(kind.value_type))


KINDS: Final[Mapping[str, tuple[Callable[[pa.DataType], bool], str]]] = {
    "gridimage_id": (lambda kind: _is_number(kind) or _is_text(kind), "whole numbers"),
    "types": (_is_text, "text, tags with commas between"),
    "distance": (
        lambda kind: _is_text(kind) or _is_number(kind),
        "text, metres such as '16', '' for 0, or 'Unknown'",
    ),
    "embeddings": (
        lambda kind: _is_vectors(kind) or _is_text(kind) or _is_bytes(kind),
        f"lists of {EMBEDDING_DIMENSION} floats",
    ),
    "weight": (_is_number, "numbers"),
    "split": (_is_text, "text, tra, val or tes"),
}
"""What columns may hold, and how to say it."""


def parquet_rows(stream: BinaryIO, path: Path) -> int:
    """Count the rows without reading them."""
    return int(_open(stream, path).metadata.num_rows)


def parquet_metadata(stream: BinaryIO, path: Path) -> dict[str, Any]:
    """Read the provenance and counts that the writer kept; empty if there are none."""
    kept = (_open(stream, path).metadata.metadata or {}).get(METADATA_KEY)
    try:
        return dict(json.loads(kept)) if kept else {}
    except (TypeError, ValueError) as error:
        raise InputError(f"{path} is damaged ({error}): fetch or make it again") from None


def dataset_metadata(path: Path) -> dict[str, Any]:
    """Read the provenance and counts that the writer of a file kept; empty if there are none."""
    with open_input(path) as stream:
        return parquet_metadata(stream, path)


def read_cells(path: Path, wanted: Collection[str]) -> Iterator[dict[str, Any]]:
    """Read the wanted columns of any table, those that it has, row by row."""
    with open_input(path) as stream:
        file = _open(stream, path, READ_BYTES)
        names = [name for name in file.schema_arrow.names if name in wanted]
        with _damage_named(path):
            for batch in file.iter_batches(BATCH_ROWS, columns=names):
                yield from batch.to_pylist()


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            f"{path} is damaged ({_one_line(error)}): fetch or make it again"
        ) from None


def read_parquet(
    stream: BinaryIO, path: Path, all_columns: bool
) -> Iterator[Callable[[], RowBatch]]:
    """Read a file in constant memory however large its row groups are.

    Yields:
        What decodes each batch, in order; there is one at least.
    """
    file = _open(stream, path, READ_BYTES)
    names = _columns(file.schema_arrow, path, all_columns)
    first = 1
    with _damage_named(path):
        for batch in file.iter_batches(BATCH_ROWS, columns=names):
            yield partial(_decode, batch, first, all_columns)
            first += len(batch)
    if first == 1:
        schema = pa.schema([file.schema_arrow.field(name) for name in names])
        empty = pa.RecordBatch.from_pylist([], schema)
        yield partial(_decode, empty, first, all_columns)


def _open(stream: BinaryIO, path: Path, buffer_size: int = 0) -> pq.ParquetFile:
    try:
        # The file that is open already, if possible by a path, which is read without Python's lock.
        # With pre_buffer, its default, iterating keeps the whole file in memory.
        opened = f"/dev/fd/{stream.fileno()}" if sys.platform == "linux" else stream
        return pq.ParquetFile(opened, buffer_size=buffer_size, pre_buffer=False)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} is not a readable Parquet file ({_one_line(error)})") from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _columns(schema: pa.Schema, path: Path, all_columns: bool) -> list[str]:
    """Check the columns that are needed, and return their names."""
    required = REQUIRED if all_columns else SCORED
    names = [*required]
    if all_columns and "weight" in schema.names:
        names.append("weight")
    if missing := set(names) - set(schema.names):
        raise InputError(
            f"{path} has no column {', '.join(sorted(missing))}: add or rename it; "
            f"the columns are {', '.join(required)}"
        )
    for name in names:
        if schema.names.count(name) > 1:
            raise InputError(f"{path} has the column {name} more than once: keep one of them")
        fits, wanted = KINDS[name]
        kind = schema.field(name).type
        if not fits(kind):
            raise InputError(f"{path}: column {name} is {kind}: store {wanted}")
    return names


def _decode(batch: pa.RecordBatch, first: int, all_columns: bool) -> RowBatch:
    rows = np.arange(first, first + len(batch), dtype=np.int64)
    faults: Faults = {}
    vectors = _find_vectors(batch["embeddings"], faults)
    ids = _find_ids(batch["gridimage_id"], faults)
    if all_columns:
        for name in ("types", "distance", "split"):
            for place in _places(batch[name].is_null()):
                faults[place] = (RowFault.WRONG_SCHEMA, f"{name} is missing")
    if faults:
        usable = np.setdiff1d(np.arange(len(batch)), list(faults))
        chosen = pa.array(usable)
        batch, vectors = batch.take(chosen), vectors.take(chosen)
        rows, ids = rows[usable], ids[usable]
    errors = [RowError(first + place, *fault) for place, fault in sorted(faults.items())]
    texts = _texts(batch["distance"]).dictionary_encode("encode")
    metres, bad_texts = metres_of(texts.dictionary.to_pylist())
    places = texts.indices.to_numpy(zero_copy_only=False)
    flat = vectors.flatten().to_numpy(zero_copy_only=False)
    values = flat.reshape(-1, EMBEDDING_DIMENSION)
    dataset = _dataset(batch, ids, values) if all_columns else None
    read = RowBatch(rows, ids, values, metres[places], tuple(errors), dataset)
    bad = np.flatnonzero(np.isin(places, list(bad_texts))).tolist() if bad_texts else []
    return read.without(distance_faults((place, bad_texts[int(places[place])]) for place in bad))


def _dataset(
    batch: pa.RecordBatch, ids: NDArray[np.int64], embeddings: NDArray[np.floating]
) -> DatasetBatch:
    weights = np.ones(len(batch), np.float32)
    if "weight" in batch.schema.names:
        weights = batch["weight"].cast(pa.float32(), safe=False).fill_null(1.0).to_numpy()
    return DatasetBatch(
        ids,
        _texts(batch["types"]).to_pylist(),
        _texts(batch["distance"]).to_pylist(),
        embeddings,
        weights,
        _texts(batch["split"]).to_pylist(),
    )


def _places(mask: pa.BooleanArray) -> list[int]:
    return list(np.flatnonzero(mask.to_numpy(zero_copy_only=False)).tolist())


def _texts(column: pa.Array) -> pa.StringArray:
    """Take text of any kind, or numbers, as text."""
    if _is_text(column.type):
        return column.cast(pa.string())
    numbers = column.cast(pa.float64(), safe=False).to_pylist()
    return pa.array([distance_text(number) for number in numbers], pa.string())


def _find_ids(column: pa.Array, faults: Faults) -> NDArray[np.int64]:
    """Read ids from numbers or text; those that are missing or not whole become faults."""
    for place in _places(column.is_null()):
        faults[place] = (RowFault.WRONG_SCHEMA, "gridimage_id is missing")
    if types.is_integer(column.type) and column.type != pa.uint64():
        filled = column.fill_null(0).to_numpy(zero_copy_only=False)
        ids = np.asarray(filled.astype(np.int64, copy=False))
        for place in np.flatnonzero(ids < 0).tolist():
            faults[place] = (RowFault.WRONG_SCHEMA, BAD_ID)
        return ids
    values = [_whole(value) for value in column.to_pylist()]
    for place, value in enumerate(values):
        if value is None:
            faults.setdefault(place, (RowFault.WRONG_SCHEMA, BAD_ID))
    return np.array([value or 0 for value in values], np.int64)


def _whole(value: object) -> int | None:
    """Take a whole number, also as text or with a point; `None` if it is not one."""
    try:
        number = int(value) if isinstance(value, int | str) else float(str(value))
    except ValueError:
        return None
    if isinstance(number, float):
        if not (number.is_integer() and abs(number) <= EXACT_FLOATS):
            return None
        number = int(number)
    return number if 0 <= number < 1 << 63 else None


def _find_vectors(column: pa.Array, faults: Faults) -> pa.Array:
    """Return lists of numbers; those that are missing or not 512 become faults."""
    if not _is_vectors(column.type):
        return _unpack(column, faults)
    lengths = pc.list_value_length(column).fill_null(-1).to_numpy(zero_copy_only=False)
    for place in np.flatnonzero(lengths != EMBEDDING_DIMENSION).tolist():
        if lengths[place] < 0:
            faults[place] = (RowFault.WRONG_SCHEMA, "embeddings are missing")
        else:
            detail = f"{lengths[place]} numbers, not {EMBEDDING_DIMENSION}"
            faults[place] = (RowFault.WRONG_LENGTH, detail)
    return column


def _unpack(column: pa.Array, faults: Faults) -> pa.Array:
    """Unpack vectors that are kept as bytes, or as base64 as in JSON Lines."""
    vectors: list[bytes] = []
    for place, value in enumerate(column.to_pylist()):
        data = b""
        if value is None:
            faults[place] = (RowFault.WRONG_SCHEMA, "embeddings are missing")
        else:
            try:
                data = value if isinstance(value, bytes) else a2b_base64(value, strict_mode=True)
            except ValueError as error:
                faults[place] = (RowFault.BAD_BASE64, str(error))
        if len(data) != VECTOR_BYTES:
            faults.setdefault(place, (RowFault.WRONG_LENGTH, wrong_length(data)))
            data = bytes(VECTOR_BYTES)
        vectors.append(data)
    numbers = pa.array(np.frombuffer(b"".join(vectors), "<f4"))
    return pa.FixedSizeListArray.from_arrays(numbers, EMBEDDING_DIMENSION)
