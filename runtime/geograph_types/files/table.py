"""Columns of a table of results, whatever kind of file it is written to."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

CellKind: TypeAlias = Literal["text", "list", "flag", "number", "whole"]
Cell: TypeAlias = str | tuple[str, ...] | bool | float | int | None


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """A column whose values come from a short list."""

    places: NDArray[np.integer]  # whole numbers [N], where in `choices`; below 0 for no value
    choices: Sequence[str] | Sequence[Sequence[str]]  # texts, or lists of texts
    lists: bool = False  # whether they are lists


Column: TypeAlias = NDArray[Any] | Choice
"""[N] numbers or truth values, a masked array where some have none; or a `Choice`.

Vectors of N rows, [N, D], are masked row by row.
"""

Table: TypeAlias = Mapping[str, Column]
"""Columns of equal length by name."""


def table_rows(table: Table) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table, with `None` for missing values."""
    columns = [_values(column) for column in table.values()]
    for row in zip(*columns, strict=True):
        yield dict(zip(table, row, strict=True))


def _values(column: Column) -> list[Any]:
    if not isinstance(column, Choice):
        return list(column.tolist())
    return [None if place < 0 else column.choices[place] for place in column.places.tolist()]
