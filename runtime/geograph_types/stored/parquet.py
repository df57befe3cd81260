"""Datasets of embeddings as Parquet.

A dataset has the published schema: `gridimage_id`, `types`, `distance`, `embeddings`, `weight`,
`split`, with the embeddings as fixed-size lists of 512 float16 or float32.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from geograph_types.embedding import EMBEDDING_DIMENSION, widen
from geograph_types.errors import InputError, MissingExtraError, RowError, RowFault
from geograph_types.files.atomic import new_file
from geograph_types.files.parquet_table import METADATA_KEY
from geograph_types.stored.batch import DatasetBatch, RowBatch, check_rows, metres_of

try:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
except ModuleNotFoundError:
    raise MissingExtraError("pyarrow", "parquet") from None

EmbeddingType: TypeAlias = Literal["float16", "float32"]

ROW_GROUP: Final = 8192
BATCH_ROWS: Final = 4096
READ_BYTES: Final = 1 << 20
"""Read of a column at once: without a limit, it is a whole row group of any size."""


def dataset_schema(embedding_type: EmbeddingType) -> pa.Schema:
    """Return the columns of a dataset."""
    number = pa.float16() if embedding_type == "float16" else pa.float32()
    value = pa.field("element", number, nullable=False)
    return pa.schema(
        [
            pa.field("gridimage_id", pa.int64(), nullable=False),
            pa.field("types", pa.string(), nullable=False),
            pa.field("distance", pa.string(), nullable=False),
            pa.field("embeddings", pa.list_(value, EMBEDDING_DIMENSION), nullable=False),
            pa.field("weight", pa.float32(), nullable=False),
            pa.field("split", pa.string(), nullable=False),
        ]
    )


class DatasetWriter:
    """Append rows to a dataset that `new_dataset` opened."""

    def __init__(self, stream: BinaryIO, embedding_type: EmbeddingType) -> None:
        self._schema = dataset_schema(embedding_type)
        # Embeddings are noise: compression and statistics would cost time and save a tenth.
        self._writer = pq.ParquetWriter(
            stream,
            self._schema,
            compression="none",
            use_dictionary=["types", "distance", "split"],
            write_statistics=["gridimage_id", "weight", "split"],
        )
        self.rows = 0
        self.metadata: Mapping[str, Any] = {}

    def write(self, batch: DatasetBatch) -> None:
        """Append rows."""
        field = self._schema.field("embeddings").type
        values = np.ascontiguousarray(batch.embeddings, dtype=field.value_type.to_pandas_dtype())
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), type=field)
        plain = (batch.ids, batch.types, batch.distances, None, batch.weights, batch.splits)
        arrays = [vectors if column is None else pa.array(column) for column in plain]
        table = pa.Table.from_arrays(arrays, schema=self._schema)
        self._writer.write_table(table, row_group_size=ROW_GROUP)
        self.rows += len(batch.ids)

    def finish(self) -> None:
        """Keep the metadata; call it when all rows are there, before `close`."""
        self._writer.add_key_value_metadata(
            {METADATA_KEY: json.dumps(self.metadata, sort_keys=True)}
        )

    def close(self) -> None:
        """Let go of the stream, which is still open."""
        self._writer.close()


@contextmanager
def new_dataset(path: Path, embedding_type: EmbeddingType = "float32") -> Iterator[DatasetWriter]:
    """Write a dataset batch by batch, in constant memory; it is there when the block ends well."""
    with new_file(path) as stream, closing(DatasetWriter(stream, embedding_type)) as writer:
        yield writer
        writer.finish()


def _open(path: Path, columns: Sequence[str], buffer_size: int = 0) -> pq.ParquetFile:
    try:
        # With pre_buffer, its default, iterating keeps the whole file in memory.
        file = pq.ParquetFile(path, buffer_size=buffer_size, pre_buffer=False)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} is not a readable Parquet file ({error})") from None
    missing = set(columns) - set(file.schema_arrow.names)
    if missing:
        raise InputError(
            f"{path} has no column {', '.join(sorted(missing))}: add or rename it; "
            f"the columns are {', '.join(columns)}"
        )
    return file


def dataset_rows(path: Path) -> int:
    """Count the rows of a dataset without reading them."""
    return int(_open(path, ()).metadata.num_rows)


def dataset_metadata(path: Path) -> dict[str, Any]:
    """Read the provenance and counts that the writer kept; empty where there are none."""
    kept = (_open(path, ()).metadata.metadata or {}).get(METADATA_KEY)
    return dict(json.loads(kept)) if kept else {}


def read_dataset(path: Path) -> Iterator[DatasetBatch]:
    """Read a dataset that `DatasetWriter` made, a row group at a time."""
    names = dataset_schema("float32").names
    file = _open(path, names)
    _check_kinds(path, file.schema_arrow, names)
    for group in range(file.num_row_groups):
        try:
            table = file.read_row_group(group, columns=names).combine_chunks()
        except (OSError, pa.ArrowException) as error:
            raise _damaged(path, error) from None
        for name in names:
            if table[name].null_count:
                raise InputError(f"{path}: column {name} is empty in some rows: leave those out")
        yield DatasetBatch(
            ids=table["gridimage_id"].to_numpy(),
            types=table["types"].to_pylist(),
            distances=table["distance"].to_pylist(),
            embeddings=_vectors(path, table["embeddings"]),
            weights=table["weight"].to_numpy(),
            splits=table["split"].to_pylist(),
        )
        del table
    # What Arrow keeps for later would otherwise stay beside the caller's own copy.
    pa.default_memory_pool().release_unused()


def _is_text(kind: pa.DataType) -> bool:
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(plain) or pa.types.is_large_string(plain))


def _is_vectors(kind: pa.DataType) -> bool:
    fixed = pa.types.is_fixed_size_list(kind) and kind.list_size == EMBEDDING_DIMENSION
    free = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    return (fixed or free) and bool(pa.types.is_floating(kind.value_type))


KINDS: Final[Mapping[str, tuple[Callable[[pa.DataType], bool], str]]] = {
    "gridimage_id": (pa.types.is_integer, "whole numbers"),
    "types": (_is_text, "text, tags with commas between"),
    "distance": (_is_text, "text, metres such as '16', '' for 0, or 'Unknown'"),
    "embeddings": (_is_vectors, f"lists of {EMBEDDING_DIMENSION} floats"),
    "weight": (lambda kind: pa.types.is_floating(kind) or pa.types.is_integer(kind), "numbers"),
    "split": (_is_text, "text, tra, val or tes"),
}
"""What columns may hold, and how to say it."""


def _check_kinds(path: Path, schema: pa.Schema, names: Sequence[str]) -> None:
    for name in names:
        fits, wanted = KINDS[name]
        kind = schema.field(name).type
        if not fits(kind):
            raise InputError(f"{path}: column {name} is {kind}: store {wanted}")


def _vectors(path: Path, column: pa.ChunkedArray) -> NDArray[np.floating]:
    kind = column.type
    if not (
        pa.types.is_fixed_size_list(kind)
        and kind.list_size == EMBEDDING_DIMENSION
        and pa.types.is_floating(kind.value_type)
        and column.null_count == 0
    ):
        raise InputError(
            f"{path}: column embeddings is {kind}, not a fixed-size list of "
            f"{EMBEDDING_DIMENSION} floats"
        )
    chunks = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    values = np.concatenate(chunks) if len(chunks) != 1 else chunks[0]
    return values.reshape(-1, EMBEDDING_DIMENSION)


def read_parquet_rows(path: Path) -> Iterator[RowBatch]:
    """Read what scoring needs, in constant memory however large the row groups are.

    Embeddings may be lists of any length, of float16, float32 or float64: the lists that have not
    512 numbers are errors of their rows.
    """
    names = ["gridimage_id", "distance", "embeddings"]
    file = _open(path, names, buffer_size=READ_BYTES)
    _check_kinds(path, file.schema_arrow, names)
    first = 1
    try:
        for batch in file.iter_batches(BATCH_ROWS, columns=names):
            yield _row_batch([batch[name] for name in names], first)
            first += len(batch)
        if first == 1:
            empty = file.schema_arrow.empty_table()
            yield _row_batch([empty[name].combine_chunks() for name in names], first)
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(f"{path} is damaged ({error}): fetch or make it again")


def _row_batch(columns: Sequence[pa.Array], first: int) -> RowBatch:
    identity, distance, vector = columns
    rows = np.arange(first, first + len(identity), dtype=np.int64)
    lengths = pc.list_value_length(vector).fill_null(-1).to_numpy(zero_copy_only=False)
    whole, known = lengths == EMBEDDING_DIMENSION, identity.is_valid().to_numpy(False)
    errors = [_unreadable(int(rows[i]), known[i], lengths[i]) for i in np.flatnonzero(~whole)]
    errors += [_unreadable(int(rows[i]), False, 0) for i in np.flatnonzero(whole & ~known)]
    usable = pa.array(whole & known)
    if errors:
        identity, distance, vector = (
            column.filter(usable) for column in (identity, distance, vector)
        )
    if pa.types.is_dictionary(distance.type):
        distance = distance.dictionary_decode()
    distance = distance.dictionary_encode("encode")
    metres, bad_texts = metres_of(distance.dictionary.to_pylist())
    places = distance.indices.to_numpy(zero_copy_only=False)
    values = vector.flatten().to_numpy(zero_copy_only=False).reshape(-1, EMBEDDING_DIMENSION)
    read = RowBatch(
        rows=rows[whole & known],
        ids=identity.to_numpy(zero_copy_only=False).astype(np.int64, copy=False),
        embeddings=widen(values),
        metres=metres[places],
        errors=tuple(sorted(errors, key=lambda error: error.row)),
    )
    bad = np.flatnonzero(np.isin(places, list(bad_texts))).tolist() if bad_texts else []
    return check_rows(read, [(index, bad_texts[int(places[index])]) for index in bad])


def _unreadable(row: int, has_id: bool, length: int) -> RowError:
    if not has_id:
        return RowError(row, RowFault.WRONG_SCHEMA, "gridimage_id is missing")
    if length < 0:
        return RowError(row, RowFault.WRONG_SCHEMA, "embeddings are missing")
    detail = f"{length} numbers, not {EMBEDDING_DIMENSION}"
    return RowError(row, RowFault.WRONG_LENGTH, detail)
