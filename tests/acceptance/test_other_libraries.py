"""pandas, polars, DuckDB and pyarrow: their datasets train alike, and they open our folders."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import pytest

from geograph_types.cli.main import main
from geograph_types_trainer.scenes import write_scenes

Write = Callable[[Path, Path], object]


def by_pandas(change: Callable[[pd.DataFrame], pd.DataFrame] = lambda frame: frame) -> Write:
    return lambda source, new: change(pd.read_parquet(source)).to_parquet(new)


def by_polars(**kinds: pl.DataType | type[pl.DataType]) -> Write:
    columns = [pl.col(name).cast(kind) for name, kind in kinds.items()]
    return lambda source, new: pl.read_parquet(source).with_columns(columns).write_parquet(new)


def by_duckdb(embeddings: str = "embeddings") -> Write:
    def write(source: Path, new: Path) -> None:
        select = f"SELECT * REPLACE ({embeddings} AS embeddings) FROM '{source}'"
        duckdb.sql(f"COPY ({select}) TO '{new}' (FORMAT parquet)")

    return write


def by_pyarrow(kind: pa.DataType) -> Write:
    def write(source: Path, new: Path) -> None:
        table = pq.read_table(source)
        place = table.schema.get_field_index("embeddings")
        lists = pa.array(table["embeddings"].to_pylist(), kind)
        pq.write_table(table.set_column(place, "embeddings", lists), new)

    return write


def from_python(source: Path, new: Path) -> None:
    pq.write_table(pa.Table.from_pylist(pq.read_table(source).to_pylist()), new)


WRITERS: Final[dict[str, Write]] = {
    "pandas": by_pandas(),
    "pandas, index": by_pandas(lambda frame: frame.set_index(frame.index.astype(str))),
    "pandas, categories": by_pandas(lambda f: f.astype({"split": "category", "types": "string"})),
    "polars": by_polars(),
    "polars, list": by_polars(embeddings=pl.List(pl.Float32)),
    "polars, float64": by_polars(embeddings=pl.Array(pl.Float64, 512)),
    "polars, list of float64": by_polars(embeddings=pl.List(pl.Float64), split=pl.Categorical),
    "DuckDB": by_duckdb(),
    "DuckDB, list": by_duckdb("embeddings::FLOAT[]"),
    "DuckDB, fixed-size list": by_duckdb("embeddings::FLOAT[512]"),
    "DuckDB, float64": by_duckdb("embeddings::DOUBLE[]"),
    "pyarrow, from Python": from_python,
    "pyarrow, list": by_pyarrow(pa.list_(pa.float32())),
    "pyarrow, large list": by_pyarrow(pa.large_list(pa.float32())),
    "pyarrow, fixed-size list": by_pyarrow(pa.list_(pa.float32(), 512)),
    "pyarrow, list of float64": by_pyarrow(pa.list_(pa.float64())),
    "pyarrow, fixed-size float64": by_pyarrow(pa.list_(pa.float64(), 512)),
}


@pytest.fixture(scope="module")
def embedded(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of drawn scenes, in float32."""
    folder = tmp_path_factory.mktemp("embedded")
    write_scenes(folder / "scenes", per_class=10, seed=8)
    labels = folder / "scenes" / "labels.csv"
    words = f"embed {labels.parent} --labels {labels} --bundle {tiny_bundle}"
    assert main([*words.split(), "--out", str(folder / "rows.parquet")]) == 0
    return folder / "rows.parquet"


def weights(dataset: Path, run: Path) -> bytes:
    assert main(f"train {dataset} --out {run} --epochs 2".split()) == 0
    return (run / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def expected(embedded: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return weights(embedded, tmp_path_factory.mktemp("expected") / "run")


@pytest.mark.parametrize("writer", WRITERS)
def test_what_they_write_trains_to_the_same_weights(
    writer: str, embedded: Path, expected: bytes, tmp_path: Path
) -> None:
    WRITERS[writer](embedded, tmp_path / "rows.parquet")
    assert weights(tmp_path / "rows.parquet", tmp_path / "run") == expected


@pytest.fixture(scope="module", params=["archive of photos", "archive of embeddings", "score"])
def folder(
    request: pytest.FixtureRequest, embedded: Path, tiny_bundle: Path, tmp_path_factory: Any
) -> Path:
    """What a command writes of inputs of which some cannot be used."""
    made = tmp_path_factory.mktemp("folder")
    rows, photos = made / "rows", embedded.parent / "scenes"
    (rows / "below").mkdir(parents=True)
    shutil.copy(embedded, rows / "below" / "good.parquet")
    np.save(rows / "bad.npy", np.zeros((3, 512), np.float32))
    (rows / "damaged.parquet").write_bytes(b"PAR1")
    (photos / "bad.jpg").write_bytes(b"no photo")
    archive = f"archive run --bundle {tiny_bundle} --output {made / 'out'} --shard-photos 9"
    command = {
        "archive of photos": f"{archive} --input {photos}",
        "archive of embeddings": f"{archive} --input {rows}",
        "score": f"score {rows} --bundle {tiny_bundle} --out {made / 'out'}",
    }[request.param]
    assert main(command.split()) == 1
    return made / "out"


READERS: Final[dict[str, Callable[[Path], pa.Table]]] = {
    "pyarrow": lambda folder: pads.dataset(folder).to_table(),
    "pandas": lambda folder: pa.Table.from_pandas(pd.read_parquet(folder)),
    "polars": lambda folder: pl.read_parquet(folder).to_arrow(),
    "polars, lazily": lambda folder: pl.scan_parquet(folder).collect().to_arrow(),
    "DuckDB": lambda folder: duckdb.read_parquet(str(folder)).to_arrow_table(),
}


@pytest.mark.parametrize("reader", READERS)
def test_they_open_folders_whole(reader: str, folder: Path) -> None:
    files = [pq.read_table(path) for path in sorted(folder.rglob("*.parquet"))]
    table = READERS[reader](folder)
    assert len(files) > 1
    assert table.num_rows == sum(len(file) for file in files)
    assert table.column_names == files[0].column_names
    assert table["status"].to_pylist() == [s for file in files for s in file["status"].to_pylist()]
