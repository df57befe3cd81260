import pytest

from geograph_types import Grid, GridPosition
from geograph_types.distance.sources import parse_place
from geograph_types.distance.written import parse_metres
from geograph_types.errors import InputError

BIG_BEN = (51.500694, -0.124611)
"""51 30 2.5 N, 0 7 28.6 W in degrees."""


@pytest.mark.parametrize(
    "text",
    [
        "51 30 2.5 N, 0 7 28.6 W",
        "51\N{DEGREE SIGN}30'2.5\"N 0\N{DEGREE SIGN}7'28.6\"W",
        "N 51 30 2.5 W 0 7 28.6",
        "0 7 28,6 W; 51 30 2,5 N",
        "51 30.04167n 0 7.47667w",
        "51:30:2.5N, 0:7:28.6W",
        "51 30 2.5, -0 7 28.6",
        "51.500694N 0.124611W",
        "51.500694, \N{MINUS SIGN}0.124611",
        "51.500694, \N{EN DASH}0.124611",
        "51,500694; -0,124611",
        "51,500694, -0,124611",
        "51.500694 -0.124611",
    ],
)
def test_latitudes_and_longitudes_in_any_form(text: str) -> None:
    place = parse_place(text)
    assert (place.latitude, place.longitude) == pytest.approx(BIG_BEN, abs=2e-6)


@pytest.mark.parametrize(
    ("text", "metres"),
    [
        ("51.5, -0.1", 5566),
        ("51 30 N, 0 7 W", 928),
        ("51 30 2.5 N, 0 7 28 W", 1.55),
        ("51.4993N 0.1273W", 5.57),
    ],
)
def test_a_place_is_as_accurate_as_its_last_figure(text: str, metres: float) -> None:
    place = parse_place(text)
    assert place.accuracy_metres == pytest.approx(metres, rel=0.01)


@pytest.mark.parametrize(
    ("text", "grid", "expected"),
    [
        ("TQ 29900,80400", None, GridPosition(Grid.OSGB36, 529_900, 180_400)),
        ("tq 299, 804", None, GridPosition(Grid.OSGB36, 529_900, 180_400, 6)),
        ("529950, 181400", None, GridPosition(Grid.OSGB36, 529_950, 181_400)),
        ("529950 181400", None, GridPosition(Grid.OSGB36, 529_950, 181_400)),
        ("529950.7;181400.0", None, GridPosition(Grid.OSGB36, 529_950, 181_400)),
        ("159340, 234340", Grid.IRISH, GridPosition(Grid.IRISH, 159_340, 234_340)),
        ("SW 123 456", None, GridPosition(Grid.OSGB36, 112_300, 45_600, 6)),
        ("N 123 456", None, GridPosition(Grid.IRISH, 212_300, 245_600, 6)),
        ("0, 0", None, None),
        ("", None, None),
    ],
)
def test_grid_positions(text: str, grid: Grid | None, expected: GridPosition | None) -> None:
    assert parse_place(text, grid) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("159340, 234340", "may be on either grid"),
        ("51.5,", "is not a latitude and longitude"),
        ("51.5", "is not a latitude and longitude"),
        ("51.5, N", "is not a grid reference"),
        ("51 75 0 N, 0 1 1 W", "is not a latitude and longitude"),
        ("51.5 30 N, 0 1 W", "is not a latitude and longitude"),
        ("51.5N, -0.1W", "is not a latitude and longitude"),
        ("51.5N 0.1O", "is not a grid reference"),
        ("51.5N 0.1N", "is not a"),
        ("95.0, 1.0", "not on Earth"),
        ("somewhere", "is too long"),
        ("nan, inf", "is not a grid reference"),
    ],
)
def test_what_is_in_doubt_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_place(text)


@pytest.mark.parametrize(
    ("text", "metres"),
    [
        ("16", 16),
        ("16 m", 16),
        ("16metres", 16),
        ("1.2 km", 1200),
        ("1,5 KM", 1500),
        ("16,5", 16.5),
        ("0,125 km", 125),
        ("1,200.5", 1200.5),
        ("1.200,5", 1200.5),
        ("1 200 m", 1200),
        ("1\N{NO-BREAK SPACE}200", 1200),
        ("1,200,000", 1_200_000),
        ("3'000", 3000),
        ("1.200", 1.2),
        ("1200,125", 1200.125),
    ],
)
def test_distances_in_any_form(text: str, metres: float) -> None:
    assert parse_metres(text) == pytest.approx(metres)


@pytest.mark.parametrize("text", ["1,20,000", "1e3", "nan", "5 miles", "m", "16 17"])
def test_other_distances_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not a number"):
        parse_metres(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,200", "can be read as 1.200 and as 1200"),
        ("12,000 m", "can be read as 12.000 and as 12000"),
    ],
)
def test_distances_in_doubt_are_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_metres(text)
