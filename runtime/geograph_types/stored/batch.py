"""Consecutive rows of a file of stored embeddings, the usable ones as arrays."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from geograph_types.distance.distance import Distance, buckets_of
from geograph_types.embedding import EMBEDDING_DIMENSION, embedding_faults, widen
from geograph_types.errors import (
    EMBEDDING_ADVICE,
    DistanceError,
    EmbeddingFault,
    RowError,
    RowFault,
)
from geograph_types.files.table import Table

ROW_FAULTS: Final = {
    EmbeddingFault.NOT_FINITE: RowFault.NOT_FINITE,
    EmbeddingFault.ZERO: RowFault.ZERO_VECTOR,
    EmbeddingFault.NORMALISED: RowFault.NORMALISED,
}
VECTOR_BYTES: Final = 4 * EMBEDDING_DIMENSION
ID_LIMIT: Final = 1 << 63
BAD_ID: Final = "gridimage_id is not a whole number from 0 to 2^63 - 1"
KNOWN_TEXTS: Final = 1 << 16
"""Texts of distances whose metres are remembered."""

CHECKED_AT_ONCE: Final = 512
"""Embeddings that are widened for a check; few stay in a processor's own cache."""

EmbeddingType: TypeAlias = Literal["float16", "float32"]

Faults: TypeAlias = dict[int, tuple[RowFault, str]]
"""What is wrong with rows, by their places in a batch."""


@dataclass(frozen=True, slots=True, eq=False)
class DatasetBatch:
    """Consecutive rows of a dataset, with all columns of the published schema."""

    ids: NDArray[np.int64]  # [N], `gridimage_id`
    types: Sequence[str]  # comma-separated raw tags
    distances: Sequence[str]  # as published: metres, "" or "Unknown"
    embeddings: NDArray[np.floating]  # [N, 512]
    weights: NDArray[np.float32]  # [N]
    splits: Sequence[str]  # "tra", "val" or "tes"

    def take(self, places: NDArray[np.integer]) -> "DatasetBatch":
        """Return the rows at some places."""
        return DatasetBatch(
            ids=self.ids[places],
            types=[self.types[place] for place in places],
            distances=[self.distances[place] for place in places],
            embeddings=self.embeddings[places],
            weights=self.weights[places],
            splits=[self.splits[place] for place in places],
        )

    def columns(self, embedding_type: EmbeddingType = "float32") -> Table:
        """Return the columns of a dataset's file."""
        return {
            "gridimage_id": np.asarray(self.ids, np.int64),
            "types": self.types,
            "distance": self.distances,
            "embeddings": self.embeddings.astype(embedding_type, copy=False),
            "weight": self.weights,
            "split": self.splits,
        }


@dataclass(frozen=True, slots=True, eq=False)
class RowBatch:
    """Consecutive rows of a file, the usable ones as arrays."""

    rows: NDArray[np.int64]  # [N], their numbers in the file, from 1
    ids: NDArray[np.int64] | None  # [N]; `None` if the file has none
    embeddings: NDArray[np.floating]  # [N, 512], as stored
    metres: NDArray[np.float64]  # [N], NaN for unknown
    errors: tuple[RowError, ...]  # unusable rows, in the order of the file
    dataset: DatasetBatch | None = None  # the usable rows with all columns, if asked for

    @property
    def buckets(self) -> NDArray[np.int64]:
        """Their distance buckets, int64 [N]."""
        return buckets_of(self.metres)

    def __len__(self) -> int:
        """Count the rows, usable or not."""
        return len(self.rows) + len(self.errors)

    def without(self, faults: Faults) -> "RowBatch":
        """Turn usable rows, by their places, into errors."""
        if not faults:
            return self
        ids = {} if self.ids is None else {place: int(self.ids[place]) for place in faults}
        errors = [
            RowError(int(self.rows[place]), fault, detail, ids.get(place))
            for place, (fault, detail) in faults.items()
        ]
        keep = np.setdiff1d(np.arange(len(self.rows)), list(faults))
        return RowBatch(
            self.rows[keep],
            None if self.ids is None else self.ids[keep],
            self.embeddings[keep],
            self.metres[keep],
            tuple(sorted([*self.errors, *errors], key=lambda error: error.row)),
            None if self.dataset is None else self.dataset.take(keep),
        )


def metres_of(texts: Sequence[str | None]) -> tuple[NDArray[np.float64], dict[int, str]]:
    """Read distances as the published dataset writes them; `None` is unknown.

    Returns:
        float64 [N], NaN for unknown; and what is wrong with those that are no distance, by index.
    """
    metres = np.full(len(texts), math.nan)
    bad: dict[int, str] = {}
    for index, text in enumerate(texts):
        try:
            metres[index] = math.nan if text is None else _metres(text.strip())
        except DistanceError as error:
            bad[index] = str(error)
    return metres, bad


@lru_cache(KNOWN_TEXTS)
def _metres(text: str) -> float:
    metres = Distance.parse(text).metres
    return math.nan if metres is None else metres


def distance_text(value: str | float | None) -> str | None:
    """Return a distance as the published dataset writes it; other software writes numbers."""
    if value is None or isinstance(value, str):
        return value
    if math.isnan(value):
        return "Unknown"
    return f"{value:.3f}".rstrip("0").rstrip(".")


def check_rows(batch: RowBatch, bad_distances: Iterable[tuple[int, str]] = ()) -> RowBatch:
    """Turn rows that must not be scored into errors.

    Args:
        batch: rows as they were read.
        bad_distances: places of rows whose distance cannot be read, each with what is wrong.
    """
    vectors: dict[int, EmbeddingFault] = {}
    for start in range(0, len(batch.rows), CHECKED_AT_ONCE):
        rows = widen(batch.embeddings[start : start + CHECKED_AT_ONCE])
        vectors |= {start + row: fault for row, fault in embedding_faults(rows).items()}
    return batch.without(distance_faults(bad_distances) | vector_faults(vectors))


def vector_faults(faults: Mapping[int, EmbeddingFault]) -> Faults:
    """Return what is wrong with rows whose embeddings have faults."""
    return {place: (ROW_FAULTS[fault], EMBEDDING_ADVICE[fault]) for place, fault in faults.items()}


def distance_faults(bad_distances: Iterable[tuple[int, str]]) -> Faults:
    """Return what is wrong with rows whose distances cannot be read."""
    return {place: (RowFault.BAD_DISTANCE, detail) for place, detail in bad_distances}


def wrong_length(vector: bytes) -> str:
    """Return what is wrong with a vector of another length."""
    return f"{len(vector)} bytes, not {VECTOR_BYTES} ({EMBEDDING_DIMENSION} float32)"
