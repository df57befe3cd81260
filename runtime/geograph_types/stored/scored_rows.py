"""Scored rows as they are written: columns of a table, or lines of JSON."""

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from geograph_types.bundle import Bundle
from geograph_types.distance.distance import Distance
from geograph_types.errors import RowError, RowFault
from geograph_types.files.table import Choice, Column, Table
from geograph_types.stored.batch import RowBatch
from geograph_types.stored.score import ScoredBatch
from geograph_types.tags import TAG_SETS
from geograph_types.taxonomy import CLASSES, PROBABILITY_COLUMNS

STATUSES: Final = ("ok", "failed")
REASONS: Final = tuple(fault.value for fault in RowFault)
KNOWN_DISTANCES: Final = 1 << 16


class ScoreLine(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A row that was scored; the fields are those of `tag`'s lines."""

    file: str | None = None
    row: int
    gridimage_id: int | None = None
    status: str
    probabilities: dict[str, float]
    tags: tuple[str, ...]
    certain: tuple[str, ...]
    low_confidence: bool
    distance: msgspec.Raw
    cross_grid: str
    model: str
    stand_in: bool


class FailureLine(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A row that could not be scored."""

    file: str | None = None
    row: int
    gridimage_id: int | None = None
    status: str
    reason: str
    detail: str


def score_columns(scored: ScoredBatch, file: str) -> Table:
    """Return scored rows and errors as columns, in the order of the file.

    Rows that failed have a reason and no probabilities, tags or distance; the others no reason.
    """
    read = scored.read
    order = _order(read)
    reasons = [REASONS.index(error.fault.value) for error in read.errors]
    columns: dict[str, Column] = dict(row_columns(read, file))
    columns["status"] = Choice((order >= len(read.rows)).astype(np.int8), STATUSES)
    columns["reason"] = Choice(_with_errors(np.full(len(read.rows), -1), reasons)[order], REASONS)
    places = _with_errors(np.full(len(read.rows), -1), list(range(len(reasons))))[order]
    columns["detail"] = Choice(places, [error.detail for error in read.errors])
    for name, values in zip(CLASSES, scored.probabilities.T, strict=True):
        columns[PROBABILITY_COLUMNS[name]] = _masked(values, read, order)
    for name, sets in (("tags", scored.tag_sets), ("certain", scored.certain_sets)):
        chosen = _with_errors(sets.astype(np.int16), [-1] * len(reasons))[order]
        columns[name] = Choice(chosen, TAG_SETS, lists=True)
    columns["low_confidence"] = _masked(scored.low_confidence, read, order)
    metres = _with_errors(read.metres, [math.nan] * len(reasons))[order]
    columns["distance"] = np.ma.masked_array(metres, np.isnan(metres))
    columns["distance_bucket"] = _masked(read.buckets.astype(np.int8), read, order)
    return columns


def row_columns(read: RowBatch, file: str) -> Table:
    """Return file, number and id of all rows, usable or not, in the order of the file."""
    order = _order(read)
    rows = _with_errors(read.rows, [error.row for error in read.errors])[order]
    given = [-1 if e.gridimage_id is None else e.gridimage_id for e in read.errors]
    known = np.full(len(read.rows), -1, np.int64) if read.ids is None else read.ids
    ids = _with_errors(known, given)[order]
    return {
        "file": Choice(np.zeros(len(rows), np.int8), [file]),
        "row": rows,
        "gridimage_id": np.ma.masked_array(ids, ids < 0),
    }


def _order(read: RowBatch) -> NDArray[np.intp]:
    """Return places that sort usable rows, with the errors behind them, as in the file."""
    numbers = _with_errors(read.rows, [error.row for error in read.errors])
    return np.argsort(numbers, kind="stable")


def _with_errors(values: NDArray[Any], of_errors: Sequence[float]) -> NDArray[Any]:
    return np.concatenate([values, np.array(of_errors, values.dtype)])


def _masked(values: NDArray[Any], read: RowBatch, order: NDArray[np.intp]) -> NDArray[Any]:
    if not read.errors:
        return np.ma.masked_array(values)
    filled = _with_errors(values, [0] * len(read.errors))[order]
    return np.ma.masked_array(filled, order >= len(values))


def score_lines(scored: ScoredBatch, bundle: Bundle, file: str | None = None) -> Iterator[bytes]:
    """Return scored rows and errors as lines of JSON, in the order of the file."""
    read = scored.read
    encode = msgspec.json.Encoder().encode
    errors = list(reversed(read.errors))
    ids = [None] * len(read.rows) if read.ids is None else read.ids.tolist()
    model, stand_in = bundle.label, bundle.is_stand_in
    rounded = np.round(scored.probabilities.astype(np.float64), 7).tolist()
    for row, identity, values, tags, certain, guessed, metres in zip(
        read.rows.tolist(),
        ids,
        rounded,
        scored.tag_sets.tolist(),
        scored.certain_sets.tolist(),
        scored.low_confidence.tolist(),
        read.metres.tolist(),
        strict=True,
    ):
        while errors and errors[-1].row < row:
            yield encode(_failure(errors.pop(), file)) + b"\n"
        line = ScoreLine(
            file=file,
            row=row,
            gridimage_id=identity,
            status="ok",
            probabilities=dict(zip(CLASSES, values, strict=True)),
            tags=TAG_SETS[tags],
            certain=TAG_SETS[certain],
            low_confidence=guessed,
            distance=_distance(metres),
            cross_grid="unknown",
            model=model,
            stand_in=stand_in,
        )
        yield encode(line) + b"\n"
    while errors:
        yield encode(_failure(errors.pop(), file)) + b"\n"


@lru_cache(KNOWN_DISTANCES)
def _distance(metres: float) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(Distance.from_metres(metres).as_dict()))


def _failure(error: RowError, file: str | None) -> FailureLine:
    return FailureLine(
        file=file,
        row=error.row,
        gridimage_id=error.gridimage_id,
        status="failed",
        reason=error.fault.value,
        detail=error.detail,
    )
