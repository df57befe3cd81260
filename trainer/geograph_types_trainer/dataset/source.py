"""A dataset's file, opened once: its usable rows in batches, the others counted by reason."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from geograph_types.errors import InputError, RowError, RowFault
from geograph_types.files.lines import as_seekable, open_input
from geograph_types.photos.labels import SPLITS
from geograph_types.stored.batch import DatasetBatch, Faults, RowBatch, check_rows
from geograph_types.stored.parquet import parquet_metadata, parquet_rows
from geograph_types.stored.read import NUMPY_MAGIC, PARQUET_MAGIC, published_rows
from geograph_types_trainer.labels import CrossGridRule, Targets, target_of, targets_of

DEFAULT_MAX_BAD: Final = 0.01
"""Share of bad rows above which a file is not used."""

FLOAT16_LIMIT: Final = 65504.0
SHOWN_ROWS: Final = 8


class BadRows:
    """Rows that cannot be used, by reason."""

    def __init__(self) -> None:
        self.rows: dict[RowFault, list[int]] = {}  # their numbers, from 1
        self._first: dict[RowFault, RowError] = {}

    def add(self, errors: tuple[RowError, ...]) -> None:
        """Count some rows."""
        for error in errors:
            self.rows.setdefault(error.fault, []).append(error.row)
            self._first.setdefault(error.fault, error)

    @property
    def counts(self) -> dict[str, int]:
        """How many there are, by reason in the order of their names."""
        return {fault.value: len(rows) for fault, rows in sorted(self.rows.items())}

    @property
    def reasons(self) -> list[str]:
        """Each reason with its count, its first rows, and what is wrong with the first."""
        lines = []
        for fault, rows in sorted(self.rows.items()):
            others = "".join(f", {row}" for row in rows[1:SHOWN_ROWS])
            more = ", ..." if len(rows) > SHOWN_ROWS else ""
            first = f"row {rows[0]}: {self._first[fault].detail}"
            also = f"; also row{others.removeprefix(',')}{more}" if others else ""
            lines.append(f"{len(rows)} {fault.value} ({first}{also})")
        return lines


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


class DatasetSource:
    """A dataset's file, Parquet or JSON Lines by its first bytes; it can be read several times."""

    def __init__(self, path: Path, stream: BinaryIO, max_bad: float) -> None:
        self.lines = 0  # read so far, good and bad
        self.bad = BadRows()  # so far
        self._path = path
        self._stream = stream
        self._max_bad = max_bad
        self._head = stream.read(len(NUMPY_MAGIC))

    @cached_property
    def sha256(self) -> str:
        """Digest of the file, in hexadecimal."""
        self._stream.seek(0)
        return hashlib.file_digest(self._stream, "sha256").hexdigest()  # type: ignore[arg-type]

    @property
    def is_parquet(self) -> bool:
        """Whether the file is Parquet."""
        return self._head.startswith(PARQUET_MAGIC)

    @property
    def rows(self) -> int:
        """Rows of the file if it states them, else 0: JSON Lines have to be read for it."""
        return parquet_rows(self._stream, self._path) if self.is_parquet else 0

    @property
    def metadata(self) -> dict[str, Any]:
        """What Parquet says of its origin; empty for JSON Lines."""
        return parquet_metadata(self._stream, self._path) if self.is_parquet else {}

    def batches(self) -> Iterator[DatasetBatch]:
        """Read the usable rows from the first on; of rows with the same id, the first counts."""
        for batch, _ in self.labelled():
            yield batch

    def labelled(
        self, rule: CrossGridRule = CrossGridRule.DISTANCE
    ) -> Iterator[tuple[DatasetBatch, Targets]]:
        """Read the usable rows and what they teach, in batches that are not empty."""
        self.lines, self.bad = 0, BadRows()
        seen = SeenIds()
        self._stream.seek(0)
        for decode in published_rows(self._head, self._stream, self._path, all_columns=True):
            batch = check_rows(decode())
            self.lines += len(batch)
            batch = batch.without(_label_faults(batch))
            batch = batch.without(_repeated(batch, seen))
            self.bad.add(batch.errors)
            if batch.dataset is not None and len(batch.rows):
                rows = batch.dataset
                yield rows, targets_of(rows.types, rows.distances, rule)
        self._check_bad_share()

    def _check_bad_share(self) -> None:
        count = sum(self.bad.counts.values())
        if count > self._max_bad * self.lines:
            raise InputError(
                f"{self._path}: {count} of {self.lines} rows are bad, more than "
                f"{self._max_bad:.2%}: {'; '.join(self.bad.reasons)}: correct the file, or leave "
                "them out with dataset convert --max-bad"
            )
        if count == self.lines:
            raise InputError(f"{self._path} has no usable row")


@contextmanager
def open_dataset(path: Path, max_bad: float = DEFAULT_MAX_BAD) -> Iterator[DatasetSource]:
    """Open a dataset, of which a share of bad rows is tolerated; a pipe is copied first."""
    with open_input(path) as opened, as_seekable(opened) as stream:
        yield DatasetSource(path, stream, max_bad)


def _label_faults(batch: RowBatch) -> Faults:
    """Find the rows, by their places, that can be scored but not trained on."""
    rows = batch.dataset
    faults: Faults = {}
    if rows is None:
        return faults
    for place, (types, distance, split) in enumerate(
        zip(rows.types, rows.distances, rows.splits, strict=True)
    ):
        try:
            target_of(types, distance)
        except RowError as error:
            faults[place] = (error.fault, error.detail)
        if split not in SPLITS:
            faults[place] = (RowFault.BAD_SPLIT, f"{split!r} is not one of {', '.join(SPLITS)}")
    for place in np.flatnonzero(~(np.isfinite(rows.weights) & (rows.weights >= 0))).tolist():
        detail = f"{rows.weights[place]} is not a weight of 0 or more"
        faults[place] = (RowFault.BAD_WEIGHT, detail)
    if rows.embeddings.dtype != np.float16:
        for place in np.flatnonzero(np.abs(rows.embeddings).max(axis=1) > FLOAT16_LIMIT).tolist():
            faults[place] = (RowFault.NOT_FINITE, "a value is beyond the range of float16")
    return faults


def _repeated(batch: RowBatch, seen: SeenIds) -> Faults:
    if batch.ids is None:
        return {}
    return {
        place: (RowFault.DUPLICATE_ID, f"gridimage_id {batch.ids[place]} came before")
        for place in np.flatnonzero(seen.repeated(batch.ids)).tolist()
    }
