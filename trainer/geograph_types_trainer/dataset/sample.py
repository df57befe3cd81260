"""A smaller dataset with the same shares, in which no rare class gets rarer."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geograph_types.errors import InputError
from geograph_types.photos.labels import SPLITS
from geograph_types.stored.batch import DatasetBatch
from geograph_types.stored.parquet import EmbeddingType, new_dataset
from geograph_types.taxonomy import CLASSES
from geograph_types_trainer.chance import uniform_by_id
from geograph_types_trainer.dataset.source import DatasetSource, digest_of

RARE_SHARE: Final = 0.02
"""Classes that hold for fewer rows than this are rare, and all their rows are kept."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What a choice came to."""

    rare_rows: int  # rows of rare classes among those chosen
    bad_rows: Mapping[str, int]  # rows of the source that could not be used, by reason


def sample_dataset(source: Path, target: Path, rows: int, seed: int = 0) -> Sample:
    """Write some of a dataset's rows: all of rare classes, the others in proportion.

    Rows are stratified by split and by the set of labels that hold. The same seed chooses the
    same rows, whatever their order.
    """
    strata = _read_strata(source)
    total = len(strata.ids)
    if rows > total:
        raise InputError(f"{source} has {total} usable rows, not {rows}: ask for fewer")
    rare = _rare_rows(strata.labels)
    rare_rows = int(rare.sum())
    if rare_rows > rows:
        raise InputError(f"{source} has {rare_rows} rows of rare classes: ask for at least those")
    chosen = rare.copy()
    chosen[_spread(strata, np.flatnonzero(~rare), rows - rare_rows, seed)] = True
    first = 0
    with new_dataset(target, strata.embedding_type) as writer:
        for batch in DatasetSource(source).batches():
            keep = np.flatnonzero(chosen[first : first + len(batch.ids)])
            first += len(batch.ids)
            writer.write(_rows_of(batch, keep))
        writer.metadata = {
            "sampled_from": source.name,
            "source_sha256": digest_of(source),
            "rows": writer.rows,
            "seed": seed,
        }
    return Sample(rare_rows, strata.bad_rows)


@dataclass(frozen=True, slots=True, eq=False)
class Strata:
    """What the choice rests on."""

    ids: NDArray[np.int64]  # int64 [N]
    keys: NDArray[np.int64]  # int64 [N], a number for each split and set of labels
    labels: NDArray[np.uint8]  # uint8 [N, 7]
    embedding_type: EmbeddingType  # of the source's embeddings
    bad_rows: Mapping[str, int]  # rows that could not be used, by reason


def _rare_rows(labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Find the rows for which a rare class holds, bool [N]."""
    classes = labels.mean(axis=0) < RARE_SHARE
    return np.asarray((labels[:, classes] > 0).any(axis=1), np.bool_)


def _spread(strata: Strata, places: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    """Choose rows at even steps through the strata, each in random order: shares stay the same."""
    ids = strata.ids[places]
    order = np.lexsort((ids, uniform_by_id(ids, seed), strata.keys[places]))
    steps = ((np.arange(count) + 0.5) * len(places) / max(count, 1)).astype(np.int64)
    return places[order[steps]]


def _read_strata(source: Path) -> Strata:
    ids: list[NDArray[np.int64]] = []
    keys: list[NDArray[np.int64]] = []
    labels: list[NDArray[np.uint8]] = []
    powers = 1 << np.arange(len(CLASSES), dtype=np.int64)
    embedding_type: EmbeddingType = "float16"
    reader = DatasetSource(source)
    for batch, targets in reader.labelled():
        if batch.embeddings.dtype == np.float32:
            embedding_type = "float32"
        splits = np.array([SPLITS.index(split) for split in batch.splits], np.int64)
        ids.append(batch.ids)
        labels.append(targets.labels)
        keys.append((splits << len(CLASSES)) + targets.labels @ powers)
    return Strata(
        np.concatenate(ids),
        np.concatenate(keys),
        np.concatenate(labels),
        embedding_type,
        reader.bad_rows,
    )


def _rows_of(batch: DatasetBatch, places: NDArray[np.int64]) -> DatasetBatch:
    return DatasetBatch(
        ids=batch.ids[places],
        types=[batch.types[place] for place in places],
        distances=[batch.distances[place] for place in places],
        embeddings=batch.embeddings[places],
        weights=batch.weights[places],
        splits=[batch.splits[place] for place in places],
    )
