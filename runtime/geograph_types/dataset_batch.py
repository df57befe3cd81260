"""Consecutive rows of a dataset of embeddings, with their labels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["DatasetBatch"]


@dataclass(frozen=True, slots=True, eq=False)
class DatasetBatch:
    """Consecutive rows of a dataset.

    Attributes:
        ids: int64 [N], `gridimage_id`.
        types: N comma-separated raw tags.
        distances: N texts as published: metres, "" or "Unknown".
        embeddings: float16 or float32 [N, 512].
        weights: float32 [N].
        splits: N of "tra", "val", "tes".
    """

    ids: NDArray[np.int64]
    types: Sequence[str]
    distances: Sequence[str]
    embeddings: NDArray[np.floating]
    weights: NDArray[np.float32]
    splits: Sequence[str]
