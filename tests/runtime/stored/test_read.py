"""Stored embeddings come back from every kind of file, and bad rows under their reasons."""

import base64
import gzip
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from geograph_types.errors import InputError, RowFault
from geograph_types.files.parquet_table import new_table
from geograph_types.stored.batch import DatasetBatch
from geograph_types.stored.parquet import dataset_metadata
from geograph_types.stored.read import Distances, count_rows, read_dataset, read_rows

COUNT = 40
DISTANCES = ["16", "0", "", "Unknown", "1048576"]


@pytest.fixture
def vectors() -> np.ndarray:
    values = np.random.default_rng(11).normal(0, 0.45, (COUNT, 512)).astype("<f4")
    values[:, 92] = -6.3
    return values


def json_row(index: int, vector: np.ndarray) -> str:
    row = {
        "gridimage_id": 1000 + index,
        "types": "Geograph",
        "distance": DISTANCES[index % len(DISTANCES)],
        "embeddings": base64.b64encode(vector.astype("<f4").tobytes()).decode(),
        "weight": 1.0,
        "split": "tra",
    }
    return json.dumps(row)


def write_parquet(path: Path, values: np.ndarray, kind: str = "float32") -> None:
    with new_table(path) as dataset:
        for start in range(0, COUNT, 16):
            part = slice(start, min(start + 16, COUNT))
            count = part.stop - start
            dataset.write(
                DatasetBatch(
                    ids=np.arange(1000 + start, 1000 + part.stop),
                    types=["Geograph"] * count,
                    distances=[DISTANCES[i % len(DISTANCES)] for i in range(start, part.stop)],
                    embeddings=values[part],
                    weights=np.ones(count, np.float32),
                    splits=["tra"] * count,
                ).columns(kind)  # type: ignore[arg-type]
            )
        dataset.metadata = {"rows": dataset.rows}


def test_all_kinds_of_files_give_the_same_rows(tmp_path: Path, vectors: np.ndarray) -> None:
    lines = "\n".join(json_row(i, v) for i, v in enumerate(vectors)) + "\n"
    (tmp_path / "rows.jsonl").write_text(lines)
    (tmp_path / "rows.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    write_parquet(tmp_path / "rows.parquet", vectors)
    np.save(tmp_path / "rows.npy", vectors)
    texts = [DISTANCES[i % len(DISTANCES)] for i in range(COUNT)]
    (tmp_path / "distances.txt").write_text("\n".join(texts) + "\n")
    expected_buckets = [[5, 0, 0, 22, 21][i % 5] for i in range(COUNT)]
    for name in ("rows.jsonl", "rows.jsonl.gz", "rows.parquet", "rows.npy"):
        distances = Distances.read(tmp_path / "distances.txt") if name.endswith("npy") else None
        batches = list(read_rows(tmp_path / name, distances))
        assert np.array_equal(np.concatenate([b.embeddings for b in batches]), vectors)
        assert np.concatenate([b.buckets for b in batches]).tolist() == expected_buckets
        rows = np.concatenate([b.rows for b in batches])
        assert rows.tolist() == list(range(1, COUNT + 1))
        if name.endswith("npy"):
            assert all(b.ids is None for b in batches)
            continue
        ids = np.concatenate([b.ids for b in batches])
        assert ids.tolist() == list(range(1000, 1040))


def test_a_dataset_keeps_its_columns_and_metadata(tmp_path: Path, vectors: np.ndarray) -> None:
    path = tmp_path / "rows.parquet"
    write_parquet(path, vectors, "float16")
    assert count_rows([path]) == COUNT
    assert dataset_metadata(path) == {"rows": COUNT}
    batches = list(read_dataset(path))
    stored = np.concatenate([batch.embeddings for batch in batches])
    assert stored.dtype == np.float16
    assert np.array_equal(stored, vectors.astype(np.float16))
    assert [text for batch in batches for text in batch.distances][:5] == DISTANCES


def test_bad_rows_of_parquet_and_numpy_files_keep_their_numbers(
    tmp_path: Path, vectors: np.ndarray
) -> None:
    vectors[17] /= np.linalg.norm(vectors[17])
    vectors[3] = 0
    write_parquet(tmp_path / "rows.parquet", vectors)
    np.save(tmp_path / "rows.npy", vectors)
    for name in ("rows.parquet", "rows.npy"):
        errors = [error for batch in read_rows(tmp_path / name) for error in batch.errors]
        assert [(error.row, error.fault) for error in errors] == [
            (4, RowFault.ZERO_VECTOR),
            (18, RowFault.NORMALISED),
        ]


def test_files_that_cannot_be_used_say_why(tmp_path: Path, vectors: np.ndarray) -> None:
    def refusal(name: str, data: bytes) -> str:
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError) as caught:
            list(read_rows(tmp_path / name))
        return str(caught.value)

    lines = gzip.compress((json_row(0, vectors[0]) * 50).encode())
    assert "is empty" in refusal("empty", b"")
    assert "not a readable Parquet" in refusal("cut.parquet", b"PAR1 and no more")
    assert "not a readable numpy array" in refusal("cut.npy", b"\x93NUMPY\x01\x00")
    np.save(tmp_path / "good.npy", vectors)
    array = (tmp_path / "good.npy").read_bytes()
    assert "it is cut off" in refusal("cut.npy", array[:-1])
    assert "bytes follow its 40 rows" in refusal("twice.npy", array * 2)
    assert "EOF" in refusal("header.npy", array.replace(b"512)", "512©".encode("latin-1")))
    assert "holds float32 (-9, 512)" in refusal("header.npy", array.replace(b"(40", b"(-9"))
    assert "cut off" in refusal("cut.gz", lines[: len(lines) // 2])
    with pytest.raises(InputError, match="cannot be read"):
        list(read_rows(tmp_path / "missing"))
    np.save(tmp_path / "shape.npy", vectors[:, :100])
    with pytest.raises(InputError, match=r"not floats \[N, 512\]"):
        list(read_rows(tmp_path / "shape.npy"))
    assert "2 lines for 40" in refusal_of_distances(tmp_path, "16\n0\n")


def test_an_array_without_rows_is_refused_by_name(tmp_path: Path, vectors: np.ndarray) -> None:
    np.save(tmp_path / "none.npy", vectors[:0])
    with pytest.raises(InputError, match=r"none\.npy has no rows"):
        list(read_rows(tmp_path / "none.npy"))


def refusal_of_distances(folder: Path, text: str) -> str:
    (folder / "distances.txt").write_text(text)
    with pytest.raises(InputError) as caught:
        list(read_rows(folder / "good.npy", Distances.read(folder / "distances.txt")))
    return str(caught.value)


def test_damage_anywhere_in_a_gzipped_file_is_told(tmp_path: Path, vectors: np.ndarray) -> None:
    whole = gzip.compress("".join(json_row(i, v) + "\n" for i, v in enumerate(vectors)).encode())
    for place in (len(whole) // 2, len(whole) - 6):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        (tmp_path / "rows.gz").write_bytes(damaged)
        with pytest.raises(InputError, match="is cut off or damaged"):
            for batch in read_rows(tmp_path / "rows.gz"):
                assert not batch.errors


def test_without_isal_gzipped_rows_are_the_same(tmp_path: Path, vectors: np.ndarray) -> None:
    lines = "".join(json_row(i, v) + "\n" for i, v in enumerate(vectors)).encode()
    (tmp_path / "rows.gz").write_bytes(gzip.compress(lines))
    code = (
        "import sys; sys.modules['isal'] = None\n"
        "from pathlib import Path; from geograph_types.files.lines import read_lines\n"
        "sys.stdout.buffer.write(b''.join(read_lines(open(sys.argv[1], 'rb'), Path())))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "rows.gz")]
    assert subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout == lines
