"""Rows that cannot be scored: each is named by its reason, and none becomes a zero vector."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from worker_rows import GOOD, encoded, with_value

from geograph_types.cli.main import main
from geograph_types.errors import RowFault


def row(**changes: Any) -> dict[str, Any]:
    return {"gridimage_id": 7, "distance": "16", "embeddings": encoded(GOOD)} | changes


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in row().items() if key != name}


BAD: dict[str, tuple[RowFault, bytes | dict[str, Any] | list[int]]] = {
    "no JSON": (RowFault.NOT_JSON, b"{never mind"),
    "no UTF-8": (RowFault.NOT_JSON, b'{"gridimage_id": 7, "distance": "\xff"}'),
    "nested without end": (RowFault.NOT_JSON, b'{"x": ' + b"[" * 200_000),
    "longer than is kept": (RowFault.NOT_JSON, b'{"x": "' + b"x" * (3 << 20) + b'"}'),
    "no object": (RowFault.WRONG_SCHEMA, [1, 2, 3]),
    "no id": (RowFault.WRONG_SCHEMA, without("gridimage_id")),
    "an id as text": (RowFault.WRONG_SCHEMA, row(gridimage_id="seven")),
    "an id below 0": (RowFault.WRONG_SCHEMA, row(gridimage_id=-1)),
    "an id of 65 bits": (RowFault.WRONG_SCHEMA, row(gridimage_id=2**64)),
    "no embeddings": (RowFault.WRONG_SCHEMA, without("embeddings")),
    "embeddings as a list": (RowFault.WRONG_SCHEMA, row(embeddings=GOOD.tolist())),
    "embeddings null": (RowFault.WRONG_SCHEMA, row(embeddings=None)),
    "a distance as true": (RowFault.WRONG_SCHEMA, row(distance=True)),
    "no base64": (RowFault.BAD_BASE64, row(embeddings="not base64 at all!")),
    "no bytes": (RowFault.WRONG_LENGTH, row(embeddings="")),
    "511 numbers": (RowFault.WRONG_LENGTH, row(embeddings=encoded(GOOD[:-1]))),
    "513 numbers": (RowFault.WRONG_LENGTH, row(embeddings=encoded(np.append(GOOD, 0)))),
    "float16": (RowFault.WRONG_LENGTH, row(embeddings=encoded(GOOD, "<f2"))),
    "NaN": (RowFault.NOT_FINITE, row(embeddings=encoded(with_value(np.nan)))),
    "infinity": (RowFault.NOT_FINITE, row(embeddings=encoded(with_value(np.inf)))),
    "a norm beyond float32": (RowFault.NOT_FINITE, row(embeddings=encoded(with_value(3e38)))),
    "all zeros": (RowFault.ZERO_VECTOR, row(embeddings=encoded(GOOD * 0))),
    "normalised": (RowFault.NORMALISED, row(embeddings=encoded(GOOD / np.linalg.norm(GOOD)))),
    "a distance below 0": (RowFault.BAD_DISTANCE, row(distance="-5")),
    "a word as distance": (RowFault.BAD_DISTANCE, row(distance="banana")),
    "a megabyte as distance": (RowFault.BAD_DISTANCE, row(distance="9" * 500_000)),
    "cut off": (RowFault.CUT_OFF, json.dumps(row()).encode()[:-200]),
}


def as_line(value: bytes | dict[str, Any] | list[int]) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def plain(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def gzipped(path: Path, data: bytes) -> None:
    path.write_bytes(gzip.compress(data, 1))


@pytest.mark.parametrize(("name", "write"), [("rows.jsonl", plain), ("rows.jsonl.gz", gzipped)])
def test_every_kind_of_bad_line_is_a_row_with_its_reason(
    head_bundle: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    write: Callable[[Path, bytes], None],
) -> None:
    lines = []
    for number, (_, value) in enumerate(BAD.values()):
        lines += [as_line(row(gridimage_id=1000 + number)), as_line(value)]
    write(tmp_path / name, b"\n".join(lines))
    common = ["score", str(tmp_path / name), "--bundle", str(head_bundle), "--out"]
    assert main([*common, str(tmp_path / "out.parquet")]) == 1
    assert f"{len(BAD)} rows scored, {len(BAD)} failed" in capsys.readouterr().err
    table = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert [one["row"] for one in table] == list(range(1, 2 * len(BAD) + 1))
    good, bad = table[::2], table[1::2]
    assert dict(zip(BAD, (one["reason"] for one in bad), strict=True)) == {
        kind: fault.value for kind, (fault, _) in BAD.items()
    }
    assert all(one["status"] == "failed" and one["detail"] for one in bad)
    assert max(len(one["detail"]) for one in bad) < 300
    for column in ("p_geograph", "tags", "low_confidence", "distance", "distance_bucket"):
        assert all(one[column] is None for one in bad)
        assert all(one[column] is not None for one in good)
    assert [one["gridimage_id"] for one in good] == [1000 + i for i in range(len(BAD))]
    assert len({one["p_geograph"] for one in good}) == 1
    assert main([*common, str(tmp_path / "out.jsonl")]) == 1
    told = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [one.get("reason") for one in told] == [one["reason"] for one in table]


def test_bad_rows_of_parquet_by_others(head_bundle: Path, tmp_path: Path) -> None:
    good = GOOD.astype("f2").tolist()
    wanted: list[tuple[str | None, Any, Any, Any]] = [
        (None, 1, "16", good),
        ("wrong_schema", None, "16", good),
        ("wrong_schema", -1, "16", good),
        ("wrong_schema", 2, "16", None),
        ("wrong_length", 3, "16", []),
        ("wrong_length", 4, "16", good[:-1]),
        ("not_finite", 5, "16", [*good[:-1], None]),
        ("not_finite", 6, "16", [*good[:-1], float("nan")]),
        ("not_finite", 7, "16", [*good[:-1], float("-inf")]),
        ("zero_vector", 8, "16", [0.0] * 512),
        ("normalised_vector", 9, "16", (GOOD / np.linalg.norm(GOOD)).tolist()),
        ("bad_distance", 10, "far", good),
        (None, 11, None, good),
    ]
    reasons, ids, distances, vectors = zip(*wanted, strict=True)
    for kind in (pa.float16(), pa.float32(), pa.float64()):
        table = pa.table(
            {
                "gridimage_id": pa.array(ids, pa.int64()),
                "distance": pa.array(distances).dictionary_encode(),
                "embeddings": pa.array(
                    [v if v is None else [x if x is None else np.float16(x) for x in v]
                     for v in vectors] if kind == pa.float16() else vectors,
                    pa.list_(kind),
                ),
            }
        )  # fmt: skip
        pq.write_table(table, tmp_path / "rows.parquet", row_group_size=5)
        out = tmp_path / "out.parquet"
        arguments = ["score", str(tmp_path / "rows.parquet"), "--bundle", str(head_bundle)]
        assert main([*arguments, "--out", str(out)]) == 1
        told = pq.read_table(out).to_pylist()
        assert [one["reason"] for one in told] == list(reasons)
        assert [one["distance_bucket"] for one in told if one["status"] == "ok"] == [5, 22]
        assert told[10]["gridimage_id"] == 9


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("gridimage_id", [True], "store whole numbers"),
        ("distance", [True], "store text"),
        ("embeddings", [7], "store lists of 512 floats"),
        ("embeddings", None, "has no column embeddings: add or rename it"),
    ],
)
def test_a_column_that_cannot_be_used_says_what_to_store(
    head_bundle: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    column: str,
    values: list[Any] | None,
    message: str,
) -> None:
    columns: dict[str, Any] = {"gridimage_id": [1], "distance": ["16"], "embeddings": [GOOD]}
    columns[column] = values
    table = pa.table({name: value for name, value in columns.items() if value is not None})
    pq.write_table(table, tmp_path / "rows.parquet")
    assert main(["score", str(tmp_path / "rows.parquet"), "--bundle", str(head_bundle)]) == 2
    assert message in capsys.readouterr().err
