"""Grid references as people write them: `TQ 299 804` in Britain, `O 159 340` in Ireland.

Letters name a 100 km square: two in Britain (500 km square, then 100 km square), one in Ireland,
laid out in rows of five from the north-west, with no I. Figures follow, as many for the easting as
for the northing, and name a smaller square by its south-west corner.
"""

import re
from typing import Final

from geograph_types.errors import GridError
from geograph_types.distance.grid import EXTENT_METRES, Grid, GridPosition

__all__ = ["parse_grid_reference"]

LETTERS: Final = "ABCDEFGHJKLMNOPQRSTUVWXYZ"
ROW: Final = 5
SQUARE_METRES: Final = 100_000
SQUARE_FIGURES: Final = 5
"""Figures of an easting within its lettered square, in full metres."""

REFERENCE: Final = re.compile(r"([A-Za-z]+)\s*([0-9]+)?(?:\s+([0-9]+))?")
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
        squares[letter] = (Grid.IRISH, column * SQUARE_METRES, row * SQUARE_METRES)
        for second in LETTERS:
            # The origin of the British grid is the corner of S: two columns east, one row north.
            small_column, small_row = _corner_of_letter(second)
            east = (ROW * (column - 2) + small_column) * SQUARE_METRES
            north = (ROW * (row - 1) + small_row) * SQUARE_METRES
            width, height = EXTENT_METRES[Grid.OSGB36]
            if 0 <= east < width and 0 <= north < height:
                squares[letter + second] = (Grid.OSGB36, east, north)
    return squares


SQUARES: Final = _squares()


def parse_grid_reference(text: str) -> GridPosition:
    """Read a grid reference of 4 to 10 figures, in either case, with or without spaces.

    Returns:
        The south-west corner of the square that the reference names, with as many figures.

    Raises:
        GridError: this is no reference, its letters name no square, or it names a square of 10 km
            or 100 km, which is too coarse to tell where a camera stood.
    """
    match = REFERENCE.fullmatch(text.strip())
    if not match:
        raise GridError(f"{text!r} is no grid reference: {EXAMPLE}")
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
