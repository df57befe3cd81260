from contextlib import suppress
from itertools import product
from string import ascii_uppercase

import pytest

from geograph_types import Grid, GridPosition
from geograph_types.distance.grid import parse_grid_reference
from geograph_types.errors import GridError

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


@pytest.mark.parametrize(
    "text", ["TQ299804", "tq 299 804", " Tq 299804 ", "TQ\t299  804", "tq299 804"]
)
def test_spaces_and_case_do_not_matter(text: str) -> None:
    assert parse_grid_reference(text) == GridPosition(Grid.OSGB36, 529_900, 180_400, 6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a grid reference"),
        ("299 804", "is not a grid reference"),
        ("TQ 29W", "is not a grid reference"),
        ("TQ 29 98 04", "is not a grid reference"),
        ("TQ ٢٩٩ ٨٠٤", "is not a grid reference"),
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


@pytest.mark.parametrize(
    ("grid", "letters", "size"), [(Grid.OSGB36, 2, (7, 13)), (Grid.IRISH, 1, (5, 5))]
)
def test_letters_name_each_square_once(grid: Grid, letters: int, size: tuple[int, int]) -> None:
    named = []
    for name in map("".join, product(ascii_uppercase, repeat=letters)):
        with suppress(GridError):
            corner = parse_grid_reference(f"{name} 07 99")
            assert corner.grid is grid
            assert (corner.easting % 100_000, corner.northing % 100_000) == (7_000, 99_000)
            named.append((corner.easting // 100_000, corner.northing // 100_000))
    assert sorted(named) == sorted(product(*map(range, size)))


@pytest.mark.parametrize(("count", "side"), [(2, 1000), (3, 100), (4, 10), (5, 1)])
def test_figures_count_squares_from_the_corner(count: int, side: int) -> None:
    found = parse_grid_reference(f"TQ {7:0{count}} {10**count - 1}")
    assert found == GridPosition(Grid.OSGB36, 500_000 + 7 * side, 200_000 - side, figures=2 * count)
