import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dataset_rows import COLUMNS, rows_of, write_lines

from geograph_types.cli.main import main
from geograph_types.errors import InputError
from geograph_types.stored.read import read_rows
from geograph_types_trainer.dataset.convert import convert_dataset
from geograph_types_trainer.dataset.memory import TrainingData

Change = Callable[[pa.Table], pa.Table]


def replaced(table: pa.Table, name: str, column: Any) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, column)


def vectors_as(kind: pa.DataType) -> Change:
    """As pyarrow and pandas (list), polars (large or fixed-size list) and DuckDB (list) write."""

    def change(table: pa.Table) -> pa.Table:
        lists = table["embeddings"].combine_chunks()
        numbers = lists.flatten().cast(kind.value_type)
        if pa.types.is_fixed_size_list(kind):
            return replaced(table, "embeddings", pa.FixedSizeListArray.from_arrays(numbers, 512))
        offsets = np.arange(0, len(numbers) + 1, 512)
        if pa.types.is_large_list(kind):
            lists = pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), numbers)
        else:
            lists = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), numbers)
        return replaced(table, "embeddings", lists)

    return change


def vectors_as_bytes(table: pa.Table, encode: Callable[[bytes], Any] = bytes) -> pa.Table:
    values = [np.array(row, "<f4").tobytes() for row in table["embeddings"].to_pylist()]
    return replaced(table, "embeddings", pa.array([encode(value) for value in values]))


def vectors_as_base64(table: pa.Table) -> pa.Table:
    """As pandas, polars and DuckDB write what they read from JSON Lines."""
    return vectors_as_bytes(table, lambda value: base64.b64encode(value).decode())


def cast(**kinds: pa.DataType) -> Change:
    def change(table: pa.Table) -> pa.Table:
        for name, kind in kinds.items():
            table = replaced(table, name, table[name].combine_chunks().cast(kind))
        return table

    return change


def categories(table: pa.Table) -> pa.Table:
    return replaced(table, "split", table["split"].combine_chunks().dictionary_encode())


def as_pandas_writes(table: pa.Table) -> pa.Table:
    """With an index that has become a column, and pandas' own metadata."""
    table = vectors_as(pa.list_(pa.float32()))(table)
    table = table.append_column("__index_level_0__", pa.array(range(len(table))))
    kept = {"index_columns": ["__index_level_0__"], "columns": [], "creator": {}}
    return table.replace_schema_metadata({"pandas": json.dumps(kept)})


def assert_same_rows(data: TrainingData, original: TrainingData) -> None:
    assert data.bad_rows == {}
    for name in COLUMNS:
        assert getattr(data, name).dtype == getattr(original, name).dtype
        assert np.array_equal(getattr(data, name), getattr(original, name)), name


LAYOUTS: dict[str, Change] = {
    "list of float": vectors_as(pa.list_(pa.float32())),
    "list of half": vectors_as(pa.list_(pa.float16())),
    "list of double": vectors_as(pa.list_(pa.float64())),
    "large list of float": vectors_as(pa.large_list(pa.float32())),
    "large list of double": vectors_as(pa.large_list(pa.float64())),
    "fixed-size list of float": vectors_as(pa.list_(pa.float32(), 512)),
    "fixed-size list of double": vectors_as(pa.list_(pa.float64(), 512)),
    "bytes": vectors_as_bytes,
    "base64": vectors_as_base64,
    "pandas": as_pandas_writes,
    "large texts": cast(types=pa.large_string(), distance=pa.large_string()),
    "string views": cast(types=pa.string_view(), split=pa.string_view()),
    "categories": categories,
    "ids as text": cast(gridimage_id=pa.string()),
    "ids as doubles": cast(gridimage_id=pa.float64()),
    "unsigned ids": cast(gridimage_id=pa.uint64()),
    "small ids": cast(gridimage_id=pa.int32()),
    "double weights": cast(weight=pa.float64()),
    "columns in another order": lambda table: table.select(sorted(table.column_names)),
    "more columns": lambda table: table.append_column("note", pa.nulls(len(table))),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_has_the_same_rows(layout: str, dataset: Path, tmp_path: Path) -> None:
    path, normal = tmp_path / "rows.parquet", tmp_path / "normal.parquet"
    pq.write_table(LAYOUTS[layout](pq.read_table(dataset)), path, row_group_size=300)
    original = TrainingData.load(dataset)
    assert convert_dataset(path, normal)[0] == len(original)
    assert_same_rows(TrainingData.load(path), original)
    assert_same_rows(TrainingData.load(normal), original)
    assert pq.read_schema(normal) == pq.read_schema(dataset)
    scored = [np.concatenate([b.embeddings for b in read_rows(p)]) for p in (dataset, path)]
    assert np.array_equal(*scored)


def test_layouts_train_to_the_same_weights(dataset: Path, tmp_path: Path) -> None:
    other = tmp_path / "pandas.parquet"
    pq.write_table(LAYOUTS["pandas"](pq.read_table(dataset)), other)
    weights = set()
    for path in (dataset, other):
        run = tmp_path / path.stem
        assert main(["train", str(path), "--out", str(run), "--epochs", "1"]) == 0
        weights.add((run / "model.safetensors").read_bytes())
    assert len(weights) == 1


def distance_as(kind: type, text: str) -> dict[str, Any]:
    return {"distance": kind(text) if text.isdigit() else text}


HARMLESS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "ids as text": lambda row: row | {"gridimage_id": str(row["gridimage_id"])},
    "ids with a point": lambda row: row | {"gridimage_id": float(row["gridimage_id"])},
    "weights as text": lambda row: row | {"weight": str(row["weight"])},
    "NaN in another field": lambda row: row | {"note": float("nan")},
    "infinity in another field": lambda row: {"note": [-float("inf")]} | row,
    "distances as numbers": lambda row: row | distance_as(int, row["distance"]),
    "distances with a point": lambda row: row | distance_as(float, row["distance"]),
}


@pytest.mark.parametrize("change", HARMLESS)
def test_harmless_rows_are_read(change: str, tmp_path: Path) -> None:
    rows = rows_of(60)
    path, other = write_lines(tmp_path / "rows.jsonl", rows), tmp_path / "other.jsonl"
    changed = "".join(json.dumps(HARMLESS[change](row)) + "\r\n" for row in rows)
    other.write_bytes(b"\xef\xbb\xbf" + changed.encode())
    assert_same_rows(TrainingData.load(other), TrainingData.load(path))
    read = [np.concatenate([b.metres for b in read_rows(p)]) for p in (path, other)]
    assert np.array_equal(*read, equal_nan=True)


def test_a_missing_weight_is_1(dataset: Path, tmp_path: Path) -> None:
    rows = rows_of(40)
    del rows[0]["weight"]
    rows[1]["weight"] = None
    path = write_lines(tmp_path / "rows.jsonl", rows)
    assert TrainingData.load(path).weights[:2].tolist() == [1, 1]
    pq.write_table(pq.read_table(dataset).drop_columns("weight"), tmp_path / "rows.parquet")
    assert set(TrainingData.load(tmp_path / "rows.parquet").weights.tolist()) == {1.0}


@pytest.mark.parametrize("column", ["weight", "embeddings", "types", "gridimage_id"])
def test_a_column_there_twice_is_refused(column: str, dataset: Path, tmp_path: Path) -> None:
    table = pq.read_table(dataset)
    path = tmp_path / "twice.parquet"
    pq.write_table(table.append_column(column, table[column]), path)
    with pytest.raises(InputError, match=f"has the column {column} more than once: keep one"):
        TrainingData.load(path)


def test_rows_without_distance_only_score(tmp_path: Path) -> None:
    rows = rows_of(200)
    del rows[4]["distance"]
    path = write_lines(tmp_path / "rows.jsonl", rows)
    assert TrainingData.load(path).bad_rows == {"wrong_schema": 1}
    (batch,) = read_rows(path)
    assert (len(batch.rows), np.isnan(batch.metres[4])) == (200, True)


def test_ids_that_came_before_are_left_out_of_parquet_too(dataset: Path, tmp_path: Path) -> None:
    table = pq.read_table(dataset)
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.concat_tables([table, table.slice(0, 5)]), path)
    data = TrainingData.load(path)
    assert (len(data), data.bad_rows) == (800, {"duplicate_id": 5})
