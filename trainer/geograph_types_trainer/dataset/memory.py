"""A dataset in memory, as training and evaluation need it: one contiguous array a column."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from geograph_types.embedding import EMBEDDING_DIMENSION
from geograph_types.photos.labels import SPLITS
from geograph_types.stored.batch import DatasetBatch
from geograph_types.taxonomy import CLASSES
from geograph_types_trainer.dataset.source import open_dataset
from geograph_types_trainer.labels import CrossGridRule, Targets


@dataclass(frozen=True, slots=True, eq=False)
class DistanceRows:
    """What a policy looks at."""

    ids: NDArray[np.int64]  # [N], `gridimage_id`
    buckets: NDArray[np.int64]  # [N], as recorded
    labels: NDArray[np.uint8]  # [N, 7], above 0 where the class holds


ROWS_AT_A_TIME: Final = 1 << 16


@dataclass(frozen=True, slots=True, eq=False)
class TrainingData:
    """All rows of a dataset."""

    embeddings: NDArray[np.floating]  # float16 or float32 [N, 512], raw, contiguous
    buckets: NDArray[np.int64]  # [N], distance buckets as recorded
    labels: NDArray[np.uint8]  # [N, 7]
    weights: NDArray[np.float32]  # [N]
    splits: NDArray[np.int8]  # [N], index in "tra", "val", "tes"
    ids: NDArray[np.int64]  # [N], `gridimage_id`
    # [N], whether From Drone rests on the raw tag From Above alone
    pseudo_drone: NDArray[np.bool_]
    sha256: str  # of the file, in hexadecimal
    bad_rows: dict[str, int]  # rows of the file that could not be used, by reason
    # What Parquet says of its origin; `dataset sample` writes `kept`, see there.
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path, cross_grid: CrossGridRule = CrossGridRule.DISTANCE) -> "TrainingData":
        """Read a dataset from Parquet or JSON Lines, by its first bytes.

        Embeddings are held as float16, however they are stored, so that the same rows give the
        same weights; 430,000 rows take 440 MB.
        """
        with open_dataset(path) as source:
            columns = Columns(source.rows)
            for batch, targets in source.labelled(cross_grid):
                columns.append(batch, targets)
            columns.resize(columns.rows)
            return cls(
                columns.embeddings,
                columns.buckets,
                columns.labels,
                columns.weights,
                columns.splits,
                columns.ids,
                columns.pseudo_drone,
                source.sha256,
                source.bad.counts,
                source.metadata,
            )

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.ids)

    def rows_of(self, split: str) -> NDArray[np.int64]:
        """Find the rows of a split."""
        return np.flatnonzero(self.splits == SPLITS.index(split))

    def distance_rows(self, rows: NDArray[np.int64]) -> DistanceRows:
        """Return what a distance policy needs of some rows."""
        return DistanceRows(self.ids[rows], self.buckets[rows], self.labels[rows])


class Columns:
    """Arrays that grow in place, so that no second copy is ever held."""

    def __init__(self, room: int) -> None:
        self.rows = 0
        self.embeddings = np.empty((room, EMBEDDING_DIMENSION), np.float16)
        self.buckets = np.empty(room, np.int64)
        self.labels = np.empty((room, len(CLASSES)), np.uint8)
        self.weights = np.empty(room, np.float32)
        self.splits = np.empty(room, np.int8)
        self.ids = np.empty(room, np.int64)
        self.pseudo_drone = np.empty(room, np.bool_)

    def append(self, batch: DatasetBatch, targets: Targets) -> None:
        """Add rows."""
        start, end = self.rows, self.rows + len(batch.ids)
        if end > len(self.ids):
            self.resize(end + ROWS_AT_A_TIME)
        self.embeddings[start:end] = batch.embeddings
        self.buckets[start:end] = targets.buckets
        self.labels[start:end] = targets.labels
        self.weights[start:end] = batch.weights
        self.splits[start:end] = [SPLITS.index(split) for split in batch.splits]
        self.ids[start:end] = batch.ids
        self.pseudo_drone[start:end] = targets.pseudo_drone
        self.rows = end

    def resize(self, rows: int) -> None:
        """Make room for rows, or give back what is not needed."""
        self.embeddings.resize((rows, EMBEDDING_DIMENSION), refcheck=False)
        self.labels.resize((rows, len(CLASSES)), refcheck=False)
        for column in (self.buckets, self.weights, self.splits, self.ids, self.pseudo_drone):
            column.resize(rows, refcheck=False)
