"""Positions on the two national grids that Geograph uses."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from geograph_types.errors import GridError


class Grid(StrEnum):
    """A national grid; positions on different grids are never compared."""

    OSGB36 = "osgb"
    IRISH = "irish"

    @classmethod
    def named(cls, name: str) -> "Grid":
        """Return the grid that a name in any usual spelling stands for."""
        plain = "".join(filter(str.isalnum, name.casefold())).removesuffix("grid")
        for grid, names in GRID_NAMES.items():
            if plain in names:
                return grid
        raise GridError(f"{name!r} is not the name of a grid: write osgb or irish")


GRID_NAMES: Final[dict[Grid, frozenset[str]]] = {
    Grid.OSGB36: frozenset(
        {"osgb", "osgb36", "osgb1936", "bng", "british", "britishnational", "gb"}
    ),
    Grid.IRISH: frozenset({"irish", "ireland", "ie", "irishnational", "tm65", "tm75"}),
}


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

    Raises:
        GridError: the position lies outside the grid, `figures` is none of these, or the accuracy
            is below 0.
    """

    grid: Grid
    easting: int  # metres, above 0
    northing: int  # metres, above 0
    figures: int = 10  # 4, 6, 8 or 10, for a square of 1 km, 100 m, 10 m or 1 m
    accuracy_metres: int = 0  # how far outside that square it may be, if a receiver measured it

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
        """Return a position, or `None` if easting or northing is missing or 0.

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


LETTERS: Final = "ABCDEFGHJKLMNOPQRSTUVWXYZ"
ROW: Final = 5
LETTERED_METRES: Final = 100_000
SQUARE_FIGURES: Final = 5
"""Figures of an easting within its lettered square, in full metres."""

REFERENCE: Final = re.compile(r"([A-Za-z]+)\s*([0-9]+)?(?:[\s,]\s*([0-9]+))?")
EXAMPLE: Final = "write it as TQ 299 804 or O 159 340"


def _corner_of_letter(letter: str) -> tuple[int, int]:
    """Column and row, from the south-west, of a letter in its five by five."""
    row, column = divmod(LETTERS.index(letter), ROW)
    return column, ROW - 1 - row


def _squares() -> dict[str, tuple[Grid, int, int]]:
    """Table of the lettered squares: grid, and easting and northing of the corner in metres."""
    squares = {}
    for letter in LETTERS:
        column, row = _corner_of_letter(letter)
        squares[letter] = (Grid.IRISH, column * LETTERED_METRES, row * LETTERED_METRES)
        for second in LETTERS:
            # The origin of the British grid is the corner of S: two columns east, one row north.
            small_column, small_row = _corner_of_letter(second)
            east = (ROW * (column - 2) + small_column) * LETTERED_METRES
            north = (ROW * (row - 1) + small_row) * LETTERED_METRES
            width, height = EXTENT_METRES[Grid.OSGB36]
            if 0 <= east < width and 0 <= north < height:
                squares[letter + second] = (Grid.OSGB36, east, north)
    return squares


SQUARES: Final = _squares()


def parse_grid_reference(text: str) -> GridPosition:
    """Read a grid reference of 4 to 10 figures: the south-west corner of the square it names."""
    match = REFERENCE.fullmatch(text.strip())
    if not match:
        raise GridError(f"{text!r} is not a grid reference: {EXAMPLE}")
    letters, first, second = match[1].upper(), match[2] or "", match[3]
    if letters not in SQUARES:
        raise GridError(f"{text!r}: {_advice_on(letters)}")
    if second is None:
        half = len(first) // 2
        first, second = first[:half], first[half:]
    if len(first) != len(second):
        raise GridError(
            f"{text!r}: easting and northing need as many figures each, "
            f"these are {len(first)} and {len(second)}"
        )
    if len(first) < 2:
        side = "10 km" if first else "100 km"
        raise GridError(f"{text!r} is too coarse, a square of {side}: give 4 to 10 figures")
    if len(first) > SQUARE_FIGURES:
        raise GridError(f"{text!r} has {2 * len(first)} figures: give 4 to 10, the last are metres")
    grid, east, north = SQUARES[letters]
    scale = 10 ** (SQUARE_FIGURES - len(first))
    return GridPosition(
        grid, east + int(first) * scale, north + int(second) * scale, 2 * len(first)
    )


def _advice_on(letters: str) -> str:
    if "I" in letters:
        return "the letter I names no square of either grid"
    if len(letters) > 2:
        return f"{letters} is too long, a square has one or two letters: {EXAMPLE}"
    return f"{letters} names no square of the British grid"
