"""A smaller dataset: training rows with all of the rare classes, the others in proportion."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geograph_types.errors import InputError
from geograph_types.files.parquet_table import new_table
from geograph_types.photos.labels import SPLITS
from geograph_types.stored.batch import EmbeddingType
from geograph_types.taxonomy import CLASSES
from geograph_types_trainer.chance import uniform_by_id
from geograph_types_trainer.dataset.source import BadRows, DatasetSource, open_dataset

RARE_SHARE: Final = 0.02
"""Classes that hold for fewer training rows than this are rare, and all those rows are kept."""

TRAINING: Final = SPLITS.index("tra")


def sample_dataset(source: Path, target: Path, rows: int, seed: int = 0) -> tuple[int, BadRows]:
    """Write some of a dataset's rows to Parquet, and return how many are rare, and the bad ones.

    Every split keeps its share of the rows. In validation and test so does every set of labels, so
    that scores are those of the whole; in training all rows of rare classes are kept. The file's
    metadata has, under `kept`, rows kept and there were, by split, in all and by class. The same
    seed chooses the same rows, whatever their order.
    """
    with open_dataset(source) as reader:
        strata = _read_strata(reader)
        total = len(strata.ids)
        if rows > total:
            raise InputError(f"{source} has {total} usable rows, not {rows}: ask for fewer")
        chosen, rare_rows = _choose(strata, rows, seed)
        first = 0
        with new_table(target) as table:
            for batch in reader.batches():
                keep = np.flatnonzero(chosen[first : first + len(batch.ids)])
                first += len(batch.ids)
                table.write(batch.take(keep).columns(strata.embedding_type))
            table.metadata = {
                "sampled_from": source.name,
                "source_sha256": reader.sha256,
                "rows": table.rows,
                "seed": seed,
                "kept": _kept(strata, chosen),
            }
        return rare_rows, reader.bad


@dataclass(frozen=True, slots=True, eq=False)
class Strata:
    """What the choice rests on."""

    ids: NDArray[np.int64]  # [N]
    splits: NDArray[np.int64]  # [N], index in "tra", "val", "tes"
    labels: NDArray[np.uint8]  # [N, 7]
    embedding_type: EmbeddingType  # of the source; float16 for JSON Lines


def _read_strata(reader: DatasetSource) -> Strata:
    ids: list[NDArray[np.int64]] = []
    splits: list[NDArray[np.int64]] = []
    labels: list[NDArray[np.uint8]] = []
    wide = False
    for batch, targets in reader.labelled():
        wide |= reader.is_parquet and batch.embeddings.dtype == np.float32
        ids.append(batch.ids)
        splits.append(np.array([SPLITS.index(split) for split in batch.splits], np.int64))
        labels.append(targets.labels)
    embedding_type: EmbeddingType = "float32" if wide else "float16"
    return Strata(
        np.concatenate(ids), np.concatenate(splits), np.concatenate(labels), embedding_type
    )


def _choose(strata: Strata, rows: int, seed: int) -> tuple[NDArray[np.bool_], int]:
    """Return which rows are chosen, bool [N], and how many of them are rare training rows."""
    total = len(strata.ids)
    rare = _rare_rows(strata)
    chosen = rare.copy()
    left = rows - int(rare.sum())
    for split in range(len(SPLITS)):
        places = np.flatnonzero(strata.splits == split)
        if split != TRAINING:
            count = round(rows * len(places) / total)
            chosen[_spread(strata, places, count, seed)] = True
            left -= count
    common = np.flatnonzero((strata.splits == TRAINING) & ~rare)
    if not 0 <= left <= len(common):
        raise InputError(
            f"{rare.sum()} training rows are of rare classes, and all of them are kept: ask for "
            f"at least {int(np.ceil(rare.sum() * total / max(len(common) + rare.sum(), 1)))} rows"
        )
    chosen[_spread(strata, common, left, seed)] = True
    return chosen, int(rare.sum())


def _rare_rows(strata: Strata) -> NDArray[np.bool_]:
    """Find the training rows for which a rare class holds, bool [N]."""
    training = strata.splits == TRAINING
    limit = RARE_SHARE * training.sum()
    classes = strata.labels[training].sum(axis=0) < limit
    return np.asarray(training & (strata.labels[:, classes] > 0).any(axis=1), np.bool_)


def _spread(strata: Strata, places: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    """Choose rows at even steps through sets of labels, each in random order: shares stay."""
    ids = strata.ids[places]
    sets = strata.labels[places] @ (1 << np.arange(len(CLASSES), dtype=np.int64))
    order = np.lexsort((ids, uniform_by_id(ids, seed), sets))
    steps = ((np.arange(count) + 0.5) * len(places) / max(count, 1)).astype(np.int64)
    return places[order[steps]]


def _kept(strata: Strata, chosen: NDArray[np.bool_]) -> dict[str, dict[str, tuple[int, int]]]:
    """Count rows kept and there were, by split, in all and by class."""
    counts: dict[str, dict[str, tuple[int, int]]] = {}
    for index, split in enumerate(SPLITS):
        rows = strata.splits == index
        of_split = {"rows": (int((rows & chosen).sum()), int(rows.sum()))}
        for name, labels in zip(CLASSES, strata.labels.T > 0, strict=True):
            of_split[name] = (int((rows & chosen & labels).sum()), int((rows & labels).sum()))
        counts[split] = of_split
    return counts
