import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dataset_rows import COLUMNS, Row, encoded, rows_of, vector_of, write_lines

from geograph_types.cli.main import main
from geograph_types.errors import InputError, RowFault
from geograph_types.files.parquet_table import new_table
from geograph_types.stored.parquet import dataset_metadata
from geograph_types.stored.read import read_dataset
from geograph_types_trainer.dataset.convert import convert_dataset
from geograph_types_trainer.dataset.memory import TrainingData
from geograph_types_trainer.dataset.sample import sample_dataset
from geograph_types_trainer.dataset.stats import measure_dataset


def damage(rows: list[Row]) -> list[tuple[RowFault, Row | bytes]]:
    """One row of every kind of damage that a file can have, the cut-off line last."""
    vector = vector_of(rows[0])
    not_finite, too_large = vector.copy(), vector.copy()
    not_finite[3], too_large[3] = np.nan, 1e6
    changes: list[tuple[RowFault, dict[str, Any]]] = [
        (RowFault.WRONG_SCHEMA, {"gridimage_id": 2**63}),
        (RowFault.WRONG_SCHEMA, {"gridimage_id": -1}),
        (RowFault.BAD_BASE64, {"embeddings": "not base64 at all!"}),
        (RowFault.WRONG_LENGTH, {"embeddings": encoded(vector[:-10])}),
        (RowFault.WRONG_LENGTH, {"embeddings": ""}),
        (RowFault.NOT_FINITE, {"embeddings": encoded(not_finite)}),
        (RowFault.NOT_FINITE, {"embeddings": encoded(too_large)}),
        (RowFault.ZERO_VECTOR, {"embeddings": encoded(vector * 0)}),
        (RowFault.NORMALISED, {"embeddings": encoded(vector / np.linalg.norm(vector))}),
        (RowFault.BAD_DISTANCE, {"distance": "banana"}),
        (RowFault.NO_TAG, {"types": ""}),
        (RowFault.UNKNOWN_TAG, {"types": "Geograph,Sideways"}),
        (RowFault.BAD_WEIGHT, {"weight": -1}),
        (RowFault.BAD_SPLIT, {"split": "train"}),
        (RowFault.DUPLICATE_ID, {"gridimage_id": 1000}),
    ]
    changed = [(fault, rows[at] | change) for at, (fault, change) in enumerate(changes, start=2)]
    del rows[0]["types"]
    return [
        (RowFault.WRONG_SCHEMA, rows[0]),
        *changed,
        (RowFault.NOT_JSON, b"{never mind\n"),
        (RowFault.CUT_OFF, json.dumps(rows[1]).encode()[:-200]),
    ]


def test_damaged_rows_have_reason_and_line(tmp_path: Path) -> None:
    good = rows_of(300)
    bad = damage([row | {"gridimage_id": row["gridimage_id"] + 9000} for row in rows_of(20, 1)])
    lines: list[Any] = [*good[:100], b"\n", *(row for _, row in bad[:-1]), *good[100:], bad[-1][1]]
    source = write_lines(tmp_path / "rows.jsonl.gz", lines)
    count, found = convert_dataset(source, tmp_path / "rows.parquet", max_bad=0.1)
    expected: dict[RowFault, list[int]] = {}
    for line, (fault, _) in enumerate(bad[:-1], start=102):
        expected.setdefault(fault, []).append(line)
    expected[RowFault.CUT_OFF] = [len(lines)]
    assert found.rows == expected
    assert count == 300
    metadata = dataset_metadata(tmp_path / "rows.parquet")
    assert metadata["bad_lines"] == {fault.value: lines for fault, lines in expected.items()}
    assert (metadata["rows"], metadata["lines"]) == (300, len(lines) - 1)
    vectors = np.concatenate([b.embeddings for b in read_dataset(tmp_path / "rows.parquet")])
    assert (np.linalg.norm(vectors.astype(np.float32), axis=1) > 5).all()


def test_float32_keeps_every_bit(tmp_path: Path) -> None:
    rows = rows_of(50)
    source = write_lines(tmp_path / "rows.jsonl", rows)
    vectors = np.stack([vector_of(row) for row in rows])
    convert_dataset(source, tmp_path / "wide.parquet", "float32")
    convert_dataset(source, tmp_path / "narrow.parquet")
    (wide,) = read_dataset(tmp_path / "wide.parquet")
    (narrow,) = read_dataset(tmp_path / "narrow.parquet")
    assert np.array_equal(wide.embeddings, vectors)
    assert narrow.embeddings.dtype == np.float16
    assert np.abs(narrow.embeddings - vectors).max() < 4e-3
    assert wide.types == [row["types"] for row in rows]
    assert wide.distances == [row["distance"] for row in rows]


def test_too_many_bad_rows_leave_nothing(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "rows.jsonl", [*rows_of(100), b"no\n", b"no\n"])
    words = r"more than 1.00%: 2 not_json \(row 101: .*; also row 102"
    with pytest.raises(InputError, match=words):
        convert_dataset(source, tmp_path / "rows.parquet")
    assert [file.name for file in tmp_path.iterdir()] == ["rows.jsonl"]
    assert convert_dataset(source, tmp_path / "rows.parquet", max_bad=0.02)[0] == 100


def test_damaged_gzip_is_refused(tmp_path: Path) -> None:
    whole = write_lines(tmp_path / "rows.jsonl.gz", rows_of(200))
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(whole.read_bytes()[:-5000])
    with pytest.raises(InputError, match="cut off or damaged"):
        convert_dataset(cut, tmp_path / "rows.parquet")
    damaged = bytearray(whole.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    cut.write_bytes(bytes(damaged))
    with pytest.raises(InputError, match=r"cut off or damaged|rows are bad"):
        convert_dataset(cut, tmp_path / "rows.parquet")


@pytest.mark.parametrize("content", [b"", gzip.compress(b"", mtime=0), b"\n\n"])
def test_nothing_usable_is_an_error(tmp_path: Path, content: bytes) -> None:
    source, target = tmp_path / "rows.jsonl", tmp_path / "rows.parquet"
    source.write_bytes(content)
    for read in (TrainingData.load, lambda path: convert_dataset(path, target)):
        with pytest.raises(InputError, match=r"is empty|no usable row"):
            read(source)


def test_both_kinds_of_file_load_alike(tmp_path: Path) -> None:
    source = write_lines(tmp_path / "rows.jsonl.gz", [*rows_of(400), b"no\n"])
    convert_dataset(source, tmp_path / "rows.parquet")
    lines, parquet = TrainingData.load(source), TrainingData.load(tmp_path / "rows.parquet")
    for name in COLUMNS:
        here, there = getattr(lines, name), getattr(parquet, name)
        assert here.dtype == there.dtype
        assert np.array_equal(here, there)
        assert here.flags.c_contiguous
    assert len(parquet) == 400
    assert lines.bad_rows == {"not_json": 1}
    assert sum(len(parquet.rows_of(split)) for split in ("tra", "val", "tes")) == 400


def test_stats_count_and_find_leaks(tmp_path: Path) -> None:
    rows = rows_of(500)
    for row, split in zip(rows[:2], ("tra", "tes"), strict=True):
        row |= {"split": split, "embeddings": rows[0]["embeddings"]}
    source = write_lines(tmp_path / "rows.jsonl", rows)
    stats = measure_dataset(source)
    assert stats.rows.sum() == stats.buckets.sum() == stats.raw_tags.sum() == 500
    assert set(stats.weights) == {0.2, 0.5, 1.0}
    assert stats.pseudo_drone.sum() == sum(row["types"] == "From Above" for row in rows)
    assert (stats.vectors.anywhere, stats.vectors.between_splits) == (1, 1)


def test_sample_keeps_rare_classes(tmp_path: Path) -> None:
    rows = rows_of(3000)
    drones = [row for row in rows if row["types"] in ("From Drone", "From Above")]
    for row in drones[40:]:
        row["types"] = "Extra"
    source = write_lines(tmp_path / "rows.jsonl", rows)
    rare, _ = sample_dataset(source, tmp_path / "few.parquet", 600)
    whole, few = measure_dataset(source), measure_dataset(tmp_path / "few.parquet")
    assert few.rows.sum() == 600
    assert np.abs(few.rows - whole.rows / 5).max() < 1
    assert rare == few.classes[0, 6] == whole.classes[0, 6]
    # In validation and test, every class keeps its share; in training, those that are common.
    assert np.abs(few.classes[1:] - whole.classes[1:] / 5).max() < 2
    shares = few.classes[0, :6] / (few.rows[0] - rare)
    assert np.abs(shares - whole.classes[0, :6] / (whole.rows[0] - rare)).max() < 0.005
    kept = dataset_metadata(tmp_path / "few.parquet")["kept"]
    assert kept["tra"]["From Drone"] == [rare, rare]
    assert kept["tes"]["rows"] == [few.rows[2], whole.rows[2]]
    assert kept["val"]["Extra"] == [few.classes[1, 3], whole.classes[1, 3]]
    sample_dataset(write_lines(tmp_path / "r.jsonl", rows[::-1]), tmp_path / "b.parquet", 600)
    ids = [sorted(TrainingData.load(tmp_path / name).ids) for name in ("few.parquet", "b.parquet")]
    assert ids[0] == ids[1]
    for count, words in ((3001, "ask for fewer"), (20, "training rows are of rare classes")):
        with pytest.raises(InputError, match=words):
            sample_dataset(source, tmp_path / "other.parquet", count)


@pytest.mark.parametrize(
    ("column", "text", "fault"),
    [
        ("types", "Sideways", "unknown_tag"),
        ("distances", "banana", "bad_distance"),
        ("splits", "train", "bad_split"),
    ],
)
def test_parquet_rows(column: str, text: str, fault: str, dataset: Path, tmp_path: Path) -> None:
    path, few = tmp_path / "bad.parquet", tmp_path / "few.parquet"
    (batch,) = read_dataset(dataset)
    values = [*getattr(batch, column)]
    values[699] = text
    with new_table(path) as table:
        table.write(replace(batch, **{column: values}).columns("float16"))
    data = TrainingData.load(path)
    assert (len(data), data.bad_rows) == (799, {fault: 1})
    assert convert_dataset(path, few)[1].rows == {RowFault(fault): [700]}
    assert np.array_equal(TrainingData.load(few).ids, data.ids)


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        ("types", pa.nulls(800, pa.string()), "row 1: types is missing"),
        ("distance", pa.nulls(800, pa.string()), "distance is missing"),
        ("gridimage_id", pa.nulls(800, pa.int64()), "gridimage_id is m"),
        ("types", pa.array(range(800)), "types is int64: store text"),
        ("split", pa.array([1.0] * 800), "split is double: store text"),
        ("weight", pa.array(["1.0"] * 800), "weight is string: store numbers"),
    ],
)
def test_parquet_of_other_columns_is_refused(
    column: str, values: pa.Array, words: str, dataset: Path, tmp_path: Path
) -> None:
    table = pq.read_table(dataset)
    path = tmp_path / "other.parquet"
    pq.write_table(table.set_column(table.schema.names.index(column), column, values), path)
    with pytest.raises(InputError, match=words):
        TrainingData.load(path)


def test_parquet_with_damaged_pages_is_refused(dataset: Path, tmp_path: Path) -> None:
    whole = dataset.read_bytes()
    start = pq.ParquetFile(dataset).metadata.row_group(0).column(0).data_page_offset
    path = tmp_path / "damaged.parquet"
    path.write_bytes(whole[:start] + b"\xff" * 40 + whole[start + 40 :])
    with pytest.raises(InputError, match="is damaged"):
        TrainingData.load(path)


@pytest.mark.parametrize(
    "command",
    [
        "train {data} --out {new} --epochs 1",
        "dataset stats {data}",
        "dataset sample {data} {new} --rows 50",
        "evaluate {head} {data}",
    ],
)
def test_bad_rows_cost_themselves_and_the_status_says_so(
    command: str, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_lines(tmp_path / "rows.jsonl", [*rows_of(300), b"no\n", b"no\n"])
    words = command.format(data=source, new=tmp_path / "new", head=checkpoint).split()
    assert main(words) == 1
    said = capsys.readouterr().err
    assert f"2 rows of {source} took no part:" in said
    assert "2 not_json" in said


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_lines(tmp_path / "rows.jsonl.gz", [*rows_of(300), b"no\n"])
    target, picture = tmp_path / "rows.parquet", tmp_path / "rows.png"
    assert main(["dataset", "convert", str(source), str(target)]) == 1
    said = capsys.readouterr().err
    assert "300 rows" in said
    assert "1 not_json (row 301: " in said
    assert main(["dataset", "stats", str(target), "--picture", str(picture)]) == 0
    assert "Close Look" in capsys.readouterr().out
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert main(["dataset", "sample", str(target), str(tmp_path / "few"), "--rows", "100"]) == 0
