"""Small synthetic datasets in the published schema."""

import base64
import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from geograph_types.embedding import EMBEDDING_DIMENSION
from geograph_types.taxonomy import RAW_TAGS

Row = dict[str, Any]
DISTANCES = ("", "0", "16", "128", "512", "4096", "Unknown")
COLUMNS = ("embeddings", "buckets", "labels", "weights", "splits", "ids", "pseudo_drone")
"""Those of `TrainingData`."""


def rows_of(count: int, seed: int = 0) -> list[Row]:
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


def vector_of(row: Row) -> np.ndarray:
    return np.frombuffer(base64.b64decode(row["embeddings"]), "<f4").copy()


def write_lines(path: Path, rows: Iterable[Row | bytes]) -> Path:
    """Write rows, or lines as they are, to JSON Lines; gzipped where the name ends with gz."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wb") as stream:
        for row in rows:
            stream.write(row if isinstance(row, bytes) else json.dumps(row).encode() + b"\n")
    return path
