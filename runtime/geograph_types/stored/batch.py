"""Consecutive rows of a file of stored embeddings, the usable ones as arrays."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geograph_types.distance.distance import Distance, buckets_of
from geograph_types.embedding import embedding_faults
from geograph_types.errors import (
    EMBEDDING_ADVICE,
    DistanceError,
    EmbeddingFault,
    RowError,
    RowFault,
)


@dataclass(frozen=True, slots=True, eq=False)
class DatasetBatch:
    """Consecutive rows of a dataset."""

    ids: NDArray[np.int64]  # [N], `gridimage_id`
    types: Sequence[str]  # N comma-separated raw tags
    distances: Sequence[str]  # N texts as published: metres, "" or "Unknown"
    embeddings: NDArray[np.floating]  # float16 or float32 [N, 512]
    weights: NDArray[np.float32]  # [N]
    splits: Sequence[str]  # N of "tra", "val", "tes"


ROW_FAULTS: Final = {
    EmbeddingFault.NOT_FINITE: RowFault.NOT_FINITE,
    EmbeddingFault.ZERO: RowFault.ZERO_VECTOR,
    EmbeddingFault.NORMALISED: RowFault.NORMALISED,
}
KNOWN_TEXTS: Final = 1 << 16
"""Texts of distances whose metres are remembered."""


@dataclass(frozen=True, slots=True, eq=False)
class RowBatch:
    """Consecutive rows of a file, the usable ones as arrays."""

    rows: NDArray[np.int64]  # [N], their numbers in the file, from 1
    ids: NDArray[np.int64] | None  # [N]; `None` if the file has none
    embeddings: NDArray[np.float32]  # [N, 512]
    metres: NDArray[np.float64]  # [N], NaN for unknown
    errors: tuple[RowError, ...]  # unusable rows, in the order of the file

    @property
    def buckets(self) -> NDArray[np.int64]:
        """Their distance buckets, int64 [N]."""
        return buckets_of(self.metres)

    def __len__(self) -> int:
        """Count the rows, usable or not."""
        return len(self.rows) + len(self.errors)


def embedding_row_faults(
    embeddings: NDArray[np.floating], rows: NDArray[np.int64]
) -> dict[int, RowError]:
    """Find the vectors that are no raw CLIP embeddings, by their index in the array."""
    return {
        index: RowError(int(rows[index]), ROW_FAULTS[fault], EMBEDDING_ADVICE[fault])
        for index, fault in embedding_faults(embeddings).items()
    }


def metres_of(texts: Sequence[str | None]) -> tuple[NDArray[np.float64], dict[int, str]]:
    """Read distances as the published dataset writes them."""
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


def check_rows(batch: RowBatch, bad_distances: Iterable[tuple[int, str]] = ()) -> RowBatch:
    """Turn rows that must not be scored into errors."""
    faults = embedding_row_faults(batch.embeddings, batch.rows)
    for index, detail in bad_distances:
        error = RowError(int(batch.rows[index]), RowFault.BAD_DISTANCE, detail)
        faults.setdefault(index, error)
    if batch.ids is not None:
        for index, error in faults.items():
            error.gridimage_id = int(batch.ids[index])
        for index in np.flatnonzero(batch.ids < 0).tolist():
            faults[index] = RowError(
                int(batch.rows[index]), RowFault.WRONG_SCHEMA, "gridimage_id is below 0"
            )
    if not faults:
        return batch
    keep = np.ones(len(batch.rows), np.bool_)
    keep[list(faults)] = False
    errors = sorted([*batch.errors, *faults.values()], key=lambda error: error.row)
    return RowBatch(
        batch.rows[keep],
        None if batch.ids is None else batch.ids[keep],
        batch.embeddings[keep],
        batch.metres[keep],
        tuple(errors),
    )
