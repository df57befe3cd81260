"""Columns of a table, whatever kind of file it is written to."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

CellKind: TypeAlias = Literal["text", "list", "flag", "number", "whole"]
Cell: TypeAlias = str | tuple[str, ...] | bool | float | int | None

CELL_TYPES: Final = {"flag": np.bool_, "number": np.float64, "whole": np.int8}


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """A column whose values come from a short list."""

    places: NDArray[np.integer]  # [N], where in `choices`; below 0 for no value
    choices: Sequence[str] | Sequence[Sequence[str]]
    lists: bool = False  # whether the choices are lists of texts


Column: TypeAlias = NDArray[Any] | Choice | Sequence[str]
"""[N] numbers or truth values, a masked array if some are missing; texts; or a `Choice`.

Vectors of N rows, [N, D], are masked row by row.
"""

Table: TypeAlias = Mapping[str, Column]
"""Columns of equal length by name."""


def column_of(values: Sequence[Cell], kind: CellKind) -> Column:
    """Return cells of one kind as a column; `None` is a missing value."""
    if kind in ("text", "list"):
        choices = list(dict.fromkeys(value for value in values if value is not None))
        places = {choice: place for place, choice in enumerate(choices)}
        found = [-1 if value is None else places[value] for value in values]
        return Choice(np.array(found, np.int32), choices, lists=kind == "list")  # type: ignore[arg-type]
    missing = [value is None for value in values]
    filled = [0 if value is None else value for value in values]
    masked: Column = np.ma.masked_array(np.array(filled, CELL_TYPES[kind]), missing)
    return masked


def table_rows(table: Table) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table, with `None` for missing values."""
    columns = [_values(column) for column in table.values()]
    for row in zip(*columns, strict=True):
        yield dict(zip(table, row, strict=True))


def _values(column: Column) -> list[Any]:
    if isinstance(column, Choice):
        return [None if place < 0 else column.choices[place] for place in column.places.tolist()]
    return list(column.tolist() if isinstance(column, np.ndarray) else column)
