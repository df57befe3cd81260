"""What a dataset holds by split, and which photos leak from one split into another."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geograph_types.distance.distance import BUCKET_COUNT
from geograph_types.photos.labels import SPLITS
from geograph_types.stored.batch import DatasetBatch
from geograph_types.taxonomy import CLASSES, RAW_TAGS
from geograph_types_trainer.chance import mix
from geograph_types_trainer.dataset.source import BadRows, open_dataset
from geograph_types_trainer.labels import Targets

WEIGHT_DECIMALS: Final = 3


@dataclass(frozen=True, slots=True)
class Repeats:
    """How many values more than one row has."""

    anywhere: int  # values that more than one row has
    between_splits: int  # those that rows of different splits have; they make test scores too good


@dataclass(frozen=True, slots=True, eq=False)
class DatasetStats:
    """Counts of rows; the first axis of each array is the split: tra, val, tes."""

    rows: NDArray[np.int64]  # [3]
    classes: NDArray[np.int64]  # [3, 7], by label
    # [3], those whose From Drone rests on the raw tag From Above alone
    pseudo_drone: NDArray[np.int64]
    raw_tags: NDArray[np.int64]  # [3, 8], by raw tag, in the order of `RAW_TAGS`
    buckets: NDArray[np.int64]  # [3, 23], by distance bucket
    # [3] by weight, rounded to 3 decimals, ascending
    weights: Mapping[float, NDArray[np.int64]]
    vectors: Repeats  # repeated embeddings
    bad: BadRows


def measure_dataset(path: Path) -> DatasetStats:
    """Count what a dataset holds; 9 bytes are kept of each row, whatever its size."""
    counts = Counts()
    with open_dataset(path) as source:
        for batch, targets in source.labelled():
            counts.add(batch, targets)
    splits = np.concatenate(counts.splits)
    return DatasetStats(
        rows=counts.rows,
        classes=counts.classes,
        pseudo_drone=counts.pseudo_drone,
        raw_tags=counts.raw_tags,
        buckets=counts.buckets,
        weights=dict(sorted(counts.weights.items())),
        vectors=find_repeats(np.concatenate(counts.vectors), splits),
        bad=source.bad,
    )


class Counts:
    """Counts that grow batch by batch, and what is kept of each row."""

    def __init__(self) -> None:
        self.rows = np.zeros(len(SPLITS), np.int64)
        self.classes = np.zeros((len(SPLITS), len(CLASSES)), np.int64)
        self.pseudo_drone = np.zeros(len(SPLITS), np.int64)
        self.raw_tags = np.zeros((len(SPLITS), len(RAW_TAGS)), np.int64)
        self.buckets = np.zeros((len(SPLITS), BUCKET_COUNT), np.int64)
        self.weights: dict[float, NDArray[np.int64]] = {}
        self.splits: list[NDArray[np.int8]] = []
        self.vectors: list[NDArray[np.uint64]] = []

    def add(self, batch: DatasetBatch, targets: Targets) -> None:
        """Count a batch's rows."""
        splits = np.array([SPLITS.index(split) for split in batch.splits], np.int8)
        np.add.at(self.rows, splits, 1)
        np.add.at(self.classes, splits, targets.labels)
        np.add.at(self.pseudo_drone, splits, targets.pseudo_drone)
        np.add.at(self.buckets, (splits, targets.buckets), 1)
        np.add.at(self.raw_tags, splits, np.array([*map(raw_tag_row, batch.types)]))
        rounded = np.round(batch.weights.astype(np.float64), WEIGHT_DECIMALS)
        for weight in np.unique(rounded):
            count = np.bincount(splits[rounded == weight], minlength=len(SPLITS))
            self.weights[float(weight)] = self.weights.get(float(weight), 0) + count
        self.splits.append(splits)
        self.vectors.append(fingerprints(batch.embeddings))


@lru_cache(maxsize=1 << 12)
def raw_tag_row(types: str) -> tuple[bool, ...]:
    """Return which of `RAW_TAGS` a row has."""
    tags = {tag.strip() for tag in types.split(",")}
    return tuple(tag in tags for tag in RAW_TAGS)


def fingerprints(embeddings: NDArray[np.floating]) -> NDArray[np.uint64]:
    """Make a number of each vector's bytes; different vectors share one by a chance of 2^-64."""
    words = np.ascontiguousarray(embeddings).view(np.uint64)
    places = mix(np.arange(words.shape[1], dtype=np.uint64))
    return np.asarray(mix(words ^ places).sum(axis=1), np.uint64)


def find_repeats(values: NDArray[np.uint64], splits: NDArray[np.int8]) -> Repeats:
    """Count the values that several rows have."""
    distinct, place, count = np.unique(values, return_inverse=True, return_counts=True)
    present = np.zeros((len(distinct), len(SPLITS)), np.bool_)
    present[place, splits] = True
    return Repeats(int((count > 1).sum()), int((present.sum(axis=1) > 1).sum()))
