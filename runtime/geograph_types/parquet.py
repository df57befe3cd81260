"""Datasets of embeddings, and results, as Parquet; the only module that imports pyarrow.

A dataset has the published schema: `gridimage_id`, `types`, `distance`, `embeddings`, `weight`,
`split`, with the embeddings as fixed-size lists of 512 float16 or float32.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from geograph_types.atomic import new_file
from geograph_types.columns import COLUMNS, Cell, Kind, as_cells
from geograph_types.distance import Distance
from geograph_types.embedding import EMBEDDING_DIMENSION
from geograph_types.errors import (
    DistanceError,
    InputError,
    MissingExtraError,
    RowError,
    RowFault,
)
from geograph_types.published import RowBatch, embedding_row_faults
from geograph_types.results import PhotoResult

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ModuleNotFoundError:
    raise MissingExtraError("pyarrow", "parquet") from None

__all__ = [
    "METADATA_KEY",
    "DatasetBatch",
    "DatasetWriter",
    "EmbeddingType",
    "dataset_metadata",
    "dataset_rows",
    "new_dataset",
    "read_dataset",
    "read_parquet_rows",
    "results_writer",
]

EmbeddingType: TypeAlias = Literal["float16", "float32"]

METADATA_KEY: Final = b"geograph_types"
"""Key of the file's metadata that holds provenance and counts, as JSON."""

ROW_GROUP: Final = 8192


@dataclass(frozen=True, slots=True, eq=False)
class DatasetBatch:
    """Consecutive rows of a dataset.

    Attributes:
        ids: int64 [N], `gridimage_id`.
        types: N comma-separated raw tags.
        distances: N texts as published: metres, "" or "Unknown".
        embeddings: float16 or float32 [N, 512].
        weights: float32 [N].
        splits: N of "tra", "val", "tes".
    """

    ids: NDArray[np.int64]
    types: Sequence[str]
    distances: Sequence[str]
    embeddings: NDArray[np.floating]
    weights: NDArray[np.float32]
    splits: Sequence[str]


def dataset_schema(embedding_type: EmbeddingType) -> pa.Schema:
    """Give the columns of a dataset."""
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
    """Append rows to a dataset that `new_dataset` opened.

    Attributes:
        rows: how many there are by now.
        metadata: provenance and counts, kept as JSON in the file when it is finished.
    """

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
    """Write a dataset batch by batch, in constant memory; it is there when the block ends well.

    Raises:
        OSError: it cannot be written. What was at `path` stays.
    """
    with new_file(path) as stream, closing(DatasetWriter(stream, embedding_type)) as writer:
        yield writer
        writer.finish()


def _open(path: Path, columns: Sequence[str]) -> pq.ParquetFile:
    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} is no readable Parquet file ({error})") from None
    missing = set(columns) - set(file.schema_arrow.names)
    if missing:
        raise InputError(f"{path} has no column {', '.join(sorted(missing))}")
    return file


def dataset_rows(path: Path) -> int:
    """Count the rows of a dataset without reading them.

    Raises:
        InputError: not a Parquet file.
    """
    return int(_open(path, ()).metadata.num_rows)


def dataset_metadata(path: Path) -> dict[str, Any]:
    """Read the provenance and counts that the writer kept; empty where there are none.

    Raises:
        InputError: not a Parquet file.
    """
    kept = (_open(path, ()).metadata.metadata or {}).get(METADATA_KEY)
    return dict(json.loads(kept)) if kept else {}


def read_dataset(path: Path) -> Iterator[DatasetBatch]:
    """Read a dataset that `DatasetWriter` made, a row group at a time.

    Raises:
        InputError: not a Parquet file, or without the columns of a dataset.
    """
    names = dataset_schema("float32").names
    file = _open(path, names)
    for group in range(file.num_row_groups):
        table = file.read_row_group(group, columns=names).combine_chunks()
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
    """Read what scoring needs, a row group at a time.

    Yields:
        Batches in order; a bad row becomes an error of its batch.

    Raises:
        InputError: not a Parquet file, or without ids, embeddings and distances.
    """
    names = ["gridimage_id", "distance", "embeddings"]
    file = _open(path, names)
    first = 1
    for group in range(file.num_row_groups):
        table = file.read_row_group(group, columns=names)
        rows = np.arange(first, first + len(table), dtype=np.int64)
        first += len(table)
        embeddings = _vectors(path, table["embeddings"]).astype(np.float32, copy=False)
        faults = embedding_row_faults(embeddings, rows)
        buckets = np.zeros(len(table), np.int64)
        known: dict[str | None, int] = {}
        for index, text in enumerate(table["distance"].to_pylist()):
            try:
                bucket = known.get(text)
                if bucket is None:
                    bucket = known[text] = Distance.parse(
                        "Unknown" if text is None else text
                    ).bucket
                buckets[index] = bucket
            except DistanceError as error:
                faults.setdefault(
                    index, RowError(int(rows[index]), RowFault.BAD_DISTANCE, str(error))
                )
        keep = np.ones(len(table), bool)
        keep[list(faults)] = False
        yield RowBatch(
            rows[keep],
            table["gridimage_id"].to_numpy()[keep],
            embeddings[keep] if faults else embeddings,
            buckets[keep],
            tuple(faults[index] for index in sorted(faults)),
        )


CELL_TYPES: Final[dict[Kind, pa.DataType]] = {
    "text": pa.string(),
    "list": pa.list_(pa.string()),
    "flag": pa.bool_(),
    "number": pa.float64(),
    "whole": pa.int8(),
}


@contextmanager
def results_writer(stream: BinaryIO) -> Iterator[Callable[[PhotoResult], None]]:
    """Write a row a photo with the columns of `geograph_types.columns`, in constant memory."""
    schema = pa.schema([(name, CELL_TYPES[kind]) for name, kind in COLUMNS.items()])
    rows: list[dict[str, Cell]] = []
    with pq.ParquetWriter(stream, schema, compression="zstd") as writer:

        def write(result: PhotoResult) -> None:
            rows.append(as_cells(result))
            if len(rows) == ROW_GROUP:
                flush()

        def flush() -> None:
            writer.write_table(pa.Table.from_pylist(rows, schema))
            rows.clear()

        yield write
        flush()
