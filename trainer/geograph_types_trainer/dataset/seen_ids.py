"""Ids that came before, in 8 bytes each."""

import numpy as np
from numpy.typing import NDArray


class SeenIds:
    """Remembers ids in a few sorted arrays, each at least twice as long as the next."""

    def __init__(self) -> None:
        self._sorted: list[NDArray[np.int64]] = []

    def repeated(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Check which ids came before, here or in an earlier call, and remember them all."""
        new, first = np.unique(ids, return_index=True)
        repeated = np.ones(len(ids), np.bool_)
        repeated[first] = False
        for known in self._sorted:
            place = np.minimum(np.searchsorted(known, ids), len(known) - 1)
            repeated |= known[place] == ids
        fresh = new[~repeated[first]]
        while self._sorted and len(self._sorted[-1]) < 2 * len(fresh):
            fresh = np.sort(np.concatenate([self._sorted.pop(), fresh]), kind="stable")
        if len(fresh):
            self._sorted.append(fresh)
        return repeated
