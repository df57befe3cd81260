"""Tables of results and datasets as Parquet."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from geograph_types.errors import InputError, MissingExtraError
from geograph_types.files.atomic import new_file
from geograph_types.files.table import Cell, CellKind, Choice, Column, Table, column_of

METADATA_KEY: Final = b"geograph_types"
"""Key of the file's metadata that holds provenance and counts, as JSON."""


try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ModuleNotFoundError:
    raise MissingExtraError("pyarrow", "parquet") from None

ROW_GROUP: Final = 1 << 16
VECTORS_ROW_GROUP: Final = 8192
"""Rows of tables with vectors, which take kilobytes each."""


class TableWriter:
    """Append columns to a table that `new_table` opened."""

    def __init__(self, stream: BinaryIO) -> None:
        self.rows = 0  # so far
        self.metadata: Mapping[str, Any] = {}  # kept as JSON in the file when it is finished
        self._stream = stream
        self._writer: pq.ParquetWriter | None = None
        self._waiting: list[pa.Table] = []
        self._row_group = ROW_GROUP

    def write(self, columns: Table) -> None:
        """Append rows; every call has the same columns of the same types."""
        arrays = {name: _arrow(column) for name, column in columns.items()}
        if self._writer is None and not self._waiting and any(map(_is_vectors, arrays.values())):
            self._row_group = VECTORS_ROW_GROUP
        fields = [
            pa.field(name, array.type, nullable=_may_miss(columns[name]))
            for name, array in arrays.items()
        ]
        self._waiting.append(pa.table(list(arrays.values()), pa.schema(fields)))
        self.rows += len(self._waiting[-1])
        if sum(map(len, self._waiting)) >= self._row_group:
            self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        table = pa.concat_tables(self._waiting)
        self._waiting.clear()
        if self._writer is None:
            leaves = {_leaf(field): field.type for field in table.schema}
            vectors = [leaf for leaf, kind in leaves.items() if pa.types.is_fixed_size_list(kind)]
            # Numbers that hardly repeat, as probabilities do, are written faster as they are, and
            # embeddings are noise: compression would cost time and save a tenth. Statistics take
            # as long as compression, and nobody looks for one probability.
            looked_for = [leaf for leaf, kind in leaves.items() if _is_looked_for(kind)]
            self._writer = pq.ParquetWriter(
                self._stream,
                table.schema,
                use_dictionary=[leaf for leaf, kind in leaves.items() if _is_text(kind)],
                compression={leaf: "none" if leaf in vectors else "zstd" for leaf in leaves},
                write_statistics=looked_for,
            )
        self._writer.write_table(table, row_group_size=self._row_group)

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


def _is_vectors(array: pa.Array) -> bool:
    return bool(pa.types.is_fixed_size_list(array.type))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_list(kind))


def _is_looked_for(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_integer(kind))


def _leaf(field: pa.Field) -> str:
    """Return the path of a column's values in the file."""
    lists = pa.types.is_list(field.type) or pa.types.is_fixed_size_list(field.type)
    return f"{field.name}.list.element" if lists else str(field.name)


def _may_miss(column: Column) -> bool:
    return isinstance(column, Choice | np.ma.MaskedArray)


def _arrow(column: Column) -> pa.Array:
    if isinstance(column, Choice):
        kind = pa.list_(pa.string()) if column.lists else pa.string()
        indices = pa.array(column.places, pa.int32(), mask=_where(column.places < 0))
        return pa.array(column.choices, kind).take(indices)
    if not isinstance(column, np.ndarray):
        return pa.array(column, pa.string())
    values, missing = np.ma.getdata(column), _where(np.ma.getmask(column))
    if column.ndim == 1:
        return pa.array(values, mask=missing)
    numbers = pa.array(np.ascontiguousarray(values).ravel())
    element = pa.field("element", numbers.type, nullable=False)
    kind = pa.list_(element, column.shape[1])
    missing_rows = None if missing is None else pa.array(missing.any(axis=1))
    return pa.FixedSizeListArray.from_arrays(numbers, type=kind, mask=missing_rows)


def _where(missing: NDArray[np.bool_] | np.bool_) -> NDArray[np.bool_] | None:
    """Return where values are missing; `None` if none are, which is faster to convert."""
    return missing if isinstance(missing, np.ndarray) and missing.any() else None


@contextmanager
def new_table(path: Path) -> Iterator[TableWriter]:
    """Write a table batch by batch, in constant memory; it is there when the block ends well.

    A table needs at least one `write`, for its columns; it may be of no rows.
    """
    with new_file(path) as stream, closing(TableWriter(stream)) as writer:
        yield writer
        writer.finish()


@contextmanager
def cells_writer(
    stream: BinaryIO, kinds: Mapping[str, CellKind]
) -> Iterator[Callable[[dict[str, Cell]], None]]:
    """Write a table row by row, in constant memory."""
    rows: list[dict[str, Cell]] = []
    with closing(TableWriter(stream)) as table:

        def write(row: dict[str, Cell]) -> None:
            rows.append(row)
            if len(rows) == VECTORS_ROW_GROUP:
                flush()

        def flush() -> None:
            table.write({n: column_of([row[n] for row in rows], kinds[n]) for n in kinds})
            rows.clear()

        yield write
        flush()
        table.finish()
