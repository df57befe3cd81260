"""Grid references against published ones, and against each other."""

import pytest

from geograph_types import Grid, GridPosition
from geograph_types.errors import GridError
from geograph_types.grid_reference import parse_grid_reference, write_grid_reference

# As published on maps, in the guides to the two grids and among the OS test points.
PUBLISHED = [
    ("NN 166 712", Grid.OSGB36, 216_600, 771_200),  # Ben Nevis
    ("NY 215 072", Grid.OSGB36, 321_500, 507_200),  # Scafell Pike
    ("SH 609 543", Grid.OSGB36, 260_900, 354_300),  # Yr Wyddfa
    ("TG 51409 13177", Grid.OSGB36, 651_409, 313_177),  # Caister water tower, in the OS's guide
    ("SV 91492 11318", Grid.OSGB36, 91_492, 11_318),  # St Mary's, Isles of Scilly
    ("NF 09587 99448", Grid.OSGB36, 9_587, 899_448),  # St Kilda
    ("HP 62117 16164", Grid.OSGB36, 462_117, 1_216_164),  # Unst
    ("SC 44780 95254", Grid.OSGB36, 244_780, 495_254),  # Isle of Man
    ("TQ 299 804", Grid.OSGB36, 529_900, 180_400),  # London
    ("O 15904 34671", Grid.IRISH, 315_904, 234_671),  # the Spire of Dublin
    ("G 03 05", Grid.IRISH, 103_000, 305_000),
    ("N 000 500", Grid.IRISH, 200_000, 250_000),  # the true origin of the Irish grid
    ("V 803 844", Grid.IRISH, 80_300, 84_400),  # Carrauntoohil
]


@pytest.mark.parametrize(("text", "grid", "easting", "northing"), PUBLISHED)
def test_published_references(text: str, grid: Grid, easting: int, northing: int) -> None:
    figures = sum(letter.isdigit() for letter in text)
    position = GridPosition(grid, easting, northing, figures)
    assert parse_grid_reference(text) == position
    assert write_grid_reference(position) == text


@pytest.mark.parametrize(
    "text", ["TQ299804", "tq 299 804", " Tq 299804 ", "TQ\t299  804", "tq299 804"]
)
def test_spaces_and_case_do_not_matter(text: str) -> None:
    assert parse_grid_reference(text) == GridPosition(Grid.OSGB36, 529_900, 180_400, 6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no grid reference"),
        ("299 804", "is no grid reference"),
        ("TQ 29W", "is no grid reference"),
        ("TQ 29 98 04", "is no grid reference"),
        ("TQ 299,804", "is no grid reference"),
        ("TQ ٢٩٩ ٨٠٤", "is no grid reference"),
        ("TQ", "too coarse, a square of 100 km"),
        ("O", "too coarse, a square of 100 km"),
        ("TQ 2 8", "too coarse, a square of 10 km"),
        ("O13", "too coarse, a square of 10 km"),
        ("TQ 29980", "these are 2 and 3"),
        ("TQ 299 8041", "these are 3 and 4"),
        ("TQ 299000 804000", "has 12 figures"),
        ("TI 299 804", "the letter I names no square"),
        ("I 299 804", "the letter I names no square"),
        ("AA 299 804", "AA names no square of the British grid"),
        ("ZZ 299 804", "ZZ names no square"),
        ("TQX 299 804", "TQX is too long"),
    ],
)
def test_what_is_no_reference_says_why(text: str, message: str) -> None:
    with pytest.raises(GridError, match=message):
        parse_grid_reference(text)


@pytest.mark.parametrize("figures", [4, 6, 8, 10])
@pytest.mark.parametrize(("grid", "columns", "rows"), [(Grid.OSGB36, 7, 13), (Grid.IRISH, 5, 5)])
def test_every_square_comes_back(grid: Grid, columns: int, rows: int, figures: int) -> None:
    side = 10 ** (5 - figures // 2)
    written = set()
    for column in range(columns):
        for row in range(rows):
            easting, northing = 100_000 * column + 7 * side, 100_000 * row + 99_000
            position = GridPosition(grid, easting, northing, figures)
            text = write_grid_reference(position)
            assert parse_grid_reference(text) == position
            written.add(text.split()[0])
    assert len(written) == columns * rows
    assert not any("I" in letters for letters in written)


def test_what_is_finer_than_the_figures_is_cut_off() -> None:
    assert write_grid_reference(GridPosition(Grid.OSGB36, 529_999, 180_499, 6)) == "TQ 299 804"
