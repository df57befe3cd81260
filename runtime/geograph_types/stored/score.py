"""Stored embeddings to probabilities and tags, in batches and in several threads."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geograph_types.stored.batch import RowBatch, vector_faults
from geograph_types.stored.read import Decode
from geograph_types.system.threads import map_ahead, read_ahead
from geograph_types.tagger import TypeTagger
from geograph_types.tags import choose_tag_sets


@dataclass(frozen=True, slots=True, eq=False)
class ScoredBatch:
    """Rows and what the head says of them."""

    read: RowBatch  # N usable rows, and the others as errors
    probabilities: NDArray[np.float32]  # float32 [N, 7], columns in the order of `CLASSES`
    tag_sets: NDArray[np.uint8]  # uint8 [N], the tags; see `TAG_SETS`
    certain_sets: NDArray[np.uint8]  # uint8 [N], those of the tags that are certain
    low_confidence: NDArray[np.bool_]  # bool [N], whether no class reached its threshold


def score_batch(tagger: TypeTagger, batch: RowBatch) -> ScoredBatch:
    """Score a batch, and turn rows whose embeddings must not be scored into errors."""
    probabilities, faults = tagger.score_stored(batch.embeddings, batch.buckets)
    if faults:
        probabilities = np.delete(probabilities, list(faults), axis=0)
        batch = batch.without(vector_faults(faults))
    chosen = choose_tag_sets(probabilities, batch.buckets, tagger.bundle.manifest.thresholds)
    return ScoredBatch(batch, probabilities, *chosen)


def score_batches(
    tagger: TypeTagger, batches: Iterable[Decode], workers: int
) -> Iterator[ScoredBatch]:
    """Decode and score rows in constant memory, reading ahead meanwhile.

    Several batches side by side, each in one thread, are faster than one batch in several: the
    head's products are too small to share.
    """
    ahead = read_ahead(batches, workers)
    return map_ahead(lambda decode: score_batch(tagger, decode()), ahead, workers)
