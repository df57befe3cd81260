"""Which tags photos gain and lose between two bundles."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geograph_types.files.table import Choice, Table
from geograph_types.stored.batch import RowBatch
from geograph_types.stored.score import ScoredBatch
from geograph_types.stored.scored_rows import row_columns
from geograph_types.tags import FINAL_TAGS, TAG_SETS

SETS: Final = len(TAG_SETS)


@dataclass(frozen=True, slots=True)
class Flow:
    """Photos that go from one set of tags to another."""

    before: tuple[str, ...]  # tags by the old bundle
    after: tuple[str, ...]  # tags by the new one, not the same
    photos: int


@dataclass(slots=True)
class TagChanges:
    """Counts of photos by their sets of tags before and after."""

    # int64 [128, 128], photos by set before and set after
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros((SETS, SETS), np.int64))

    def add(self, before: NDArray[np.uint8], after: NDArray[np.uint8]) -> None:
        """Count N photos by their sets before and after."""
        pairs = before.astype(np.int64) * SETS + after
        self.counts += np.bincount(pairs, minlength=SETS * SETS).reshape(SETS, SETS)

    @property
    def photos(self) -> int:
        """All photos."""
        return int(self.counts.sum())

    @property
    def changed(self) -> int:
        """Photos whose tags change."""
        return self.photos - int(np.trace(self.counts))

    @property
    def gained(self) -> dict[str, int]:
        """Photos that gain each tag."""
        return self._by_tag(gained=True)

    @property
    def lost(self) -> dict[str, int]:
        """Photos that lose each tag."""
        return self._by_tag(gained=False)

    def _by_tag(self, gained: bool) -> dict[str, int]:
        sets = np.arange(SETS)
        before, after = sets[:, None], sets[None, :]
        differing = after & ~before if gained else before & ~after
        return {
            tag: int(self.counts[(differing >> bit & 1).astype(np.bool_)].sum())
            for bit, tag in enumerate(FINAL_TAGS)
        }

    def flows(self) -> Iterator[Flow]:
        """Yield the changes from one set to another, most frequent first."""
        for place in np.argsort(-self.counts, axis=None, kind="stable").tolist():
            before, after = divmod(place, SETS)
            photos = int(self.counts[before, after])
            if not photos:
                return
            if before != after:
                yield Flow(TAG_SETS[before], TAG_SETS[after], photos)


def change_columns(before: ScoredBatch, after: ScoredBatch, file: str) -> Table:
    """Return the rows whose tags change as columns, in the order of the file."""
    changed = before.tag_sets != after.tag_sets
    read = before.read
    ids = None if read.ids is None else read.ids[changed]
    rows = RowBatch(read.rows[changed], ids, read.embeddings[:0], read.metres[changed], ())
    old, new = before.tag_sets[changed].astype(np.int16), after.tag_sets[changed].astype(np.int16)
    sets = {"before": old, "after": new, "gained": new & ~old, "lost": old & ~new}
    return {
        **row_columns(rows, file),
        **{name: Choice(values, TAG_SETS, lists=True) for name, values in sets.items()},
        "low_confidence_before": before.low_confidence[changed],
        "low_confidence_after": after.low_confidence[changed],
    }
