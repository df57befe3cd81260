"""Positions on the two national grids that Geograph uses."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from geograph_types.errors import GridError

__all__ = ["Grid", "GridPosition"]


class Grid(StrEnum):
    """A national grid; positions on different grids are never compared."""

    OSGB36 = "osgb"
    IRISH = "irish"


EXTENT_METRES: Final[dict[Grid, tuple[int, int]]] = {
    Grid.OSGB36: (700_000, 1_300_000),
    Grid.IRISH: (500_000, 500_000),
}
"""Eastings and northings lie below these (the lettered 100 km squares of each grid)."""

PRECISION_METRES: Final[dict[int, int]] = {4: 1000, 6: 100, 8: 10, 10: 1}
"""Side of the square that a reference with so many figures names."""

SQUARE_METRES: Final = 1000


@dataclass(frozen=True, slots=True)
class GridPosition:
    """A known position on one grid.

    Attributes:
        grid: which grid.
        easting: metres, above 0.
        northing: metres, above 0.
        figures: 4, 6, 8 or 10: the side of the square that is named (1 km, 100 m, 10 m, 1 m).
        accuracy_metres: how far outside that square the true position may lie; 0 for a reference,
            which is taken at its word, more where a receiver measured it.

    Raises:
        GridError: the position lies outside the grid, `figures` is none of these, or the accuracy
            is below 0.
    """

    grid: Grid
    easting: int
    northing: int
    figures: int = 10
    accuracy_metres: int = 0

    def __post_init__(self) -> None:
        if self.accuracy_metres < 0:
            raise GridError(f"an accuracy is 0 m or more, not {self.accuracy_metres}")
        if self.figures not in PRECISION_METRES:
            raise GridError(f"a grid reference has 4, 6, 8 or 10 figures, not {self.figures}")
        width, height = EXTENT_METRES[self.grid]
        if not (0 < self.easting < width and 0 < self.northing < height):
            raise GridError(
                f"the position is not on the {self.grid.value} grid (easting {self.easting} m of 1 "
                f"to {width - 1}, northing {self.northing} m of 1 to {height - 1}): leave both "
                "empty if unknown"
            )

    @classmethod
    def if_known(
        cls, grid: Grid, easting: int | None, northing: int | None, figures: int = 10
    ) -> "GridPosition | None":
        """Make a position, or `None` where easting or northing is missing or 0.

        Geograph stores an unknown position as zero or nothing.

        Raises:
            GridError: as for the class itself.
        """
        if not easting or not northing:
            return None
        return cls(grid, easting, northing, figures)

    @property
    def precision_metres(self) -> int:
        """Side of the square that the reference names, in metres."""
        return PRECISION_METRES[self.figures]

    @property
    def reach_metres(self) -> int:
        """Side of the box in which the true position lies, in metres."""
        return self.precision_metres + 2 * self.accuracy_metres

    @property
    def square(self) -> tuple[int, int]:
        """The 1 km square: easting and northing of its south-west corner, in kilometres."""
        return self.easting // SQUARE_METRES, self.northing // SQUARE_METRES
