"""Small synthetic datasets in the published schema."""

import base64
import gzip
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geograph_types.embedding import EMBEDDING_DIMENSION
from geograph_types.taxonomy import RAW_TAGS

Row = dict[str, Any]
DISTANCES = ("", "0", "16", "128", "512", "4096", "Unknown")


def synthetic_rows(count: int, seed: int = 0) -> list[Row]:
    """Rows whose embeddings lie about one centre a tag, far enough apart to be learnt."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(77).normal(size=(len(RAW_TAGS), EMBEDDING_DIMENSION)) * 0.12
    common = np.random.default_rng(78).normal(size=EMBEDDING_DIMENSION) * 0.35
    common[92] = -6.3
    tags = rng.integers(0, len(RAW_TAGS), count)
    noise = rng.normal(size=(count, EMBEDDING_DIMENSION)) * 0.3
    vectors = (common + centres[tags] + noise).astype("<f4")
    splits = rng.choice(["tra", "val", "tes"], count, p=[0.7, 0.15, 0.15])
    return [
        {
            "gridimage_id": 1000 + index,
            "types": RAW_TAGS[tag],
            "distance": str(rng.choice(DISTANCES)),
            "embeddings": encoded(vector),
            "weight": float(rng.choice([0.2, 0.5, 1.0])),
            "split": str(split),
        }
        for index, (tag, vector, split) in enumerate(zip(tags, vectors, splits, strict=True))
    ]


def encoded(vector: np.ndarray) -> str:
    return base64.b64encode(np.asarray(vector, "<f4").tobytes()).decode()


@pytest.fixture(scope="session")
def rows_of() -> Callable[[int, int], list[Row]]:
    return synthetic_rows


@pytest.fixture(scope="session")
def write_lines() -> Callable[[Path, Iterable[Row | bytes]], Path]:
    """Write rows, or lines as they are, to JSON Lines; gzipped where the name ends with gz."""

    def write(path: Path, rows: Iterable[Row | bytes]) -> Path:
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(path, "wb") as stream:
            for row in rows:
                stream.write(row if isinstance(row, bytes) else json.dumps(row).encode() + b"\n")
        return path

    return write


@pytest.fixture(scope="session")
def dataset(
    tmp_path_factory: pytest.TempPathFactory, write_lines: Callable[[Path, Iterable[Row]], Path]
) -> Path:
    """800 rows as Parquet."""
    from geograph_types_trainer.dataset.convert import convert_dataset

    folder = tmp_path_factory.mktemp("dataset")
    source = write_lines(folder / "rows.jsonl.gz", synthetic_rows(800))
    convert_dataset(source, folder / "rows.parquet")
    return folder / "rows.parquet"
