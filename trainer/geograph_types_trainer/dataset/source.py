"""A dataset's file of either kind, read in batches: Parquet, or JSON Lines with damage counted."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from geograph_types.errors import InputError, RowError, RowFault
from geograph_types.photos.labels import SPLITS
from geograph_types.stored.batch import DatasetBatch, embedding_row_faults
from geograph_types.stored.parquet import EmbeddingType, dataset_rows, read_dataset
from geograph_types_trainer.dataset.json_lines import PublishedFile
from geograph_types_trainer.labels import CrossGridRule, Targets, targets_of

DEFAULT_MAX_BAD: Final = 0.01
"""Share of bad rows above which a file is not used."""

PARQUET_MAGIC: Final = b"PAR1"

BadLines = Mapping[RowFault, list[int]]
"""Line numbers of bad rows, from 1, by reason."""


class DatasetSource:
    """A dataset's file, told by its first bytes."""

    def __init__(self, path: Path, max_bad: float = DEFAULT_MAX_BAD) -> None:
        try:
            with path.open("rb") as stream:
                magic = stream.read(len(PARQUET_MAGIC))
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror})") from None
        self.lines = 0
        self.bad_lines: dict[RowFault, list[int]] = {}
        self.published = None if magic == PARQUET_MAGIC else PublishedFile(path)
        self.rows = dataset_rows(path) if self.published is None else 0
        self._path = path
        self._max_bad = max_bad

    @property
    def bad_rows(self) -> dict[str, int]:
        """How many rows are bad so far, by reason in the order of their names."""
        return {fault.value: len(lines) for fault, lines in sorted(self.bad_lines.items())}

    def batches(self, embedding_type: EmbeddingType = "float16") -> Iterator[DatasetBatch]:
        """Read the usable rows."""
        if self.published is None:
            for rows in read_dataset(self._path):
                _check_parquet(self._path, rows, self.lines)
                self.lines += len(rows.ids)
                yield rows
            return
        for batch in self.published.batches():
            self.lines += batch.lines
            for error in batch.errors:
                self.bad_lines.setdefault(error.fault, []).append(error.row)
            yield replace(batch.rows, embeddings=batch.rows.embeddings.astype(embedding_type))
        self._check_bad_share()

    def labelled(
        self, rule: CrossGridRule = CrossGridRule.DISTANCE
    ) -> Iterator[tuple[DatasetBatch, Targets]]:
        """Read the usable rows and what they teach."""
        rows = 0
        for batch in self.batches():
            if not len(batch.ids):
                continue
            try:
                targets = targets_of(batch.types, batch.distances, rule, rows + 1)
            except RowError as error:
                raise _bad_parquet(self._path, error) from None
            rows += len(batch.ids)
            yield batch, targets
        if not rows:
            raise InputError(f"{self._path} has no usable row")

    def _check_bad_share(self) -> None:
        count = sum(self.bad_rows.values())
        if count > self._max_bad * self.lines:
            reasons = ", ".join(f"{number} {fault}" for fault, number in self.bad_rows.items())
            raise InputError(
                f"{self._path}: {count} of {self.lines} rows are bad ({reasons}), more than "
                f"{self._max_bad:.2%}: mend the file, or bear them with dataset convert --max-bad"
            )


def _check_parquet(path: Path, batch: DatasetBatch, before: int) -> None:
    """Refuse a file with rows that `dataset convert` and `embed` would have left out."""
    rows = np.arange(before, before + len(batch.ids), dtype=np.int64) + 1
    errors = list(embedding_row_faults(batch.embeddings, rows).values())
    for place in np.flatnonzero(~(np.isfinite(batch.weights) & (batch.weights >= 0))):
        detail = f"{batch.weights[place]} is not a weight of 0 or more"
        errors.append(RowError(int(rows[place]), RowFault.BAD_WEIGHT, detail))
    for row, split in zip(rows.tolist(), batch.splits, strict=True):
        if split not in SPLITS:
            detail = f"{split!r} is not one of {', '.join(SPLITS)}"
            errors.append(RowError(row, RowFault.BAD_SPLIT, detail))
            break
    if errors:
        raise _bad_parquet(path, min(errors, key=lambda error: error.row))


def _bad_parquet(path: Path, error: RowError) -> InputError:
    return InputError(f"{path}: {error}; make the file again with dataset convert or embed")


def digest_of(path: Path) -> str:
    """Compute the sha256 of a file, in hexadecimal."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from None
