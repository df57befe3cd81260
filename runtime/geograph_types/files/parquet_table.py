"""Tables of results as Parquet."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np

from geograph_types.errors import InputError, MissingExtraError
from geograph_types.files.atomic import new_file
from geograph_types.files.table import Cell, CellKind, Choice, Column

METADATA_KEY: Final = b"geograph_types"
"""Key of the file's metadata that holds provenance and counts, as JSON."""


try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ModuleNotFoundError:
    raise MissingExtraError("pyarrow", "parquet") from None

TABLE_ROW_GROUP: Final = 1 << 16
CELLS_ROW_GROUP: Final = 8192


class TableWriter:
    """Append columns to a table that `new_table` opened."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._writer: pq.ParquetWriter | None = None
        self._waiting: list[pa.Table] = []
        self.rows = 0
        self.metadata: Mapping[str, Any] = {}

    def write(self, columns: Mapping[str, Column]) -> None:
        """Append rows; every call has the same columns of the same types."""
        arrays = {name: _arrow(column) for name, column in columns.items()}
        self._waiting.append(pa.table(arrays))
        self.rows += len(self._waiting[-1])
        if sum(map(len, self._waiting)) >= TABLE_ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        table = pa.concat_tables(self._waiting)
        self._waiting.clear()
        if self._writer is None:
            # Numbers that hardly repeat, as probabilities do, are written faster as they are.
            repeating = [path for field in table.schema for path in _text_paths(field)]
            self._writer = pq.ParquetWriter(
                self._stream, table.schema, use_dictionary=repeating, compression="zstd"
            )
        self._writer.write_table(table, row_group_size=TABLE_ROW_GROUP)

    def finish(self) -> None:
        """Write what waits, and the metadata; call it when all rows are there, before `close`."""
        self._flush()
        if self._writer is None:
            raise InputError("no input could be read, so no Parquet file is written: see above")
        kept = {METADATA_KEY: json.dumps(self.metadata, sort_keys=True)}
        self._writer.add_key_value_metadata(kept)

    def close(self) -> None:
        """Let go of the stream, which is still open."""
        if self._writer is not None:
            self._writer.close()


def _text_paths(field: pa.Field) -> list[str]:
    """Name the leaf of a column in the file, if it is text."""
    if pa.types.is_list(field.type):
        return [f"{field.name}.list.element"]
    return [field.name] if pa.types.is_string(field.type) else []


def _arrow(column: Column) -> pa.Array:
    if not isinstance(column, Choice):
        if column.ndim > 1:
            values, missing = np.ma.getdata(column), np.ma.getmaskarray(column).any(axis=1)
            return pa.FixedSizeListArray.from_arrays(
                pa.array(values.ravel()), values.shape[1], mask=pa.array(missing)
            )
        return pa.array(np.ma.getdata(column), mask=np.ma.getmaskarray(column))
    kind = pa.list_(pa.string()) if column.lists else pa.string()
    places = np.where(column.places < 0, 0, column.places).astype(np.int32)
    indices = pa.array(places, mask=column.places < 0)
    return pa.array(column.choices, kind).take(indices)


@contextmanager
def new_table(path: Path) -> Iterator[TableWriter]:
    """Write a table batch by batch, in constant memory; it is there when the block ends well.

    A table needs one `write` at least, for its columns; it may be of no rows.
    """
    with new_file(path) as stream, closing(TableWriter(stream)) as writer:
        yield writer
        writer.finish()


CELL_TYPES: Final[dict[CellKind, pa.DataType]] = {
    "text": pa.string(),
    "list": pa.list_(pa.string()),
    "flag": pa.bool_(),
    "number": pa.float64(),
    "whole": pa.int8(),
}


@contextmanager
def cells_writer(
    stream: BinaryIO, columns: Mapping[str, CellKind]
) -> Iterator[Callable[[dict[str, Cell]], None]]:
    """Write a table row by row, in constant memory."""
    schema = pa.schema([(name, CELL_TYPES[kind]) for name, kind in columns.items()])
    rows: list[dict[str, Cell]] = []
    with pq.ParquetWriter(stream, schema, compression="zstd") as writer:

        def write(row: dict[str, Cell]) -> None:
            rows.append(row)
            if len(rows) == CELLS_ROW_GROUP:
                flush()

        def flush() -> None:
            writer.write_table(pa.Table.from_pylist(rows, schema))
            rows.clear()

        yield write
        flush()
