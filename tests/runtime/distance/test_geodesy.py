import csv
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyproj
import pytest

from geograph_types import Grid
from geograph_types.distance.coordinates import Coordinates
from geograph_types.distance.geodesy import CONVERSION_METRES, grid_at, to_grid
from geograph_types.distance.grid import parse_grid_reference
from geograph_types.errors import GridError


def rows_of(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


DATA = Path(__file__).parent / "data"


@pytest.mark.parametrize("row", rows_of("places.csv"), ids=lambda row: row["place"])
def test_each_place_has_its_grid(row: dict[str, str]) -> None:
    place = Coordinates(float(row["latitude"]), float(row["longitude"]))
    assert grid_at(place).value == row["grid"]


@pytest.mark.parametrize(
    ("grid", "epsg", "corners"),
    [
        (Grid.OSGB36, 27700, [(50.0, -5.0), (60.8, 1.5)]),
        (Grid.IRISH, 29903, [(51.5, -10.2), (55.3, -6.2)]),
        (Grid.IRISH, 29902, [(51.5, -10.2), (55.3, -6.2)]),
    ],
)
def test_a_thousand_points_are_those_of_pyproj(grid: Grid, epsg: int, corners: object) -> None:
    direct = pyproj.Transformer.from_crs(4326, epsg)
    for point in np.random.default_rng(epsg).uniform(*corners, (1000, 2)):
        position = to_grid(Coordinates(*point.tolist()), grid)
        expected = tuple(map(math.floor, direct.transform(*point)))
        assert (position.easting, position.northing) == expected
        assert (position.grid, position.figures) == (grid, 10)


def test_the_points_of_the_ordnance_survey_are_within_the_stated_accuracy() -> None:
    """Its test points for OSTN15. Contains OS data (c) Crown copyright and database right 2016."""
    for row in rows_of("ordnance_survey.csv"):
        latitude, longitude, *expected = map(float, row.values())
        position = to_grid(Coordinates(latitude, longitude))
        assert position.grid is Grid.OSGB36
        assert position.accuracy_metres == CONVERSION_METRES[Grid.OSGB36]
        middle = position.easting + 0.5, position.northing + 0.5
        assert math.dist(middle, expected) <= CONVERSION_METRES[Grid.OSGB36] + 0.8


@pytest.mark.parametrize(
    ("latitude", "longitude", "reference"),
    [
        (56.79685, -5.003508, "NN 166 712"),  # Ben Nevis
        (53.06846, -4.07637, "SH 609 543"),  # Yr Wyddfa
        (51.50775, -0.12794, "TQ 300 804"),  # Nelson's Column
        (53.349805, -6.26031, "O 158 346"),  # the Spire of Dublin, O 15904 34671, by a few metres
    ],
)
def test_published_places(latitude: float, longitude: float, reference: str) -> None:
    position, published = to_grid(Coordinates(latitude, longitude)), parse_grid_reference(reference)
    assert position.grid is published.grid
    # A reference of six figures names a square of 100 m by its corner.
    assert 0 <= position.easting - published.easting < 100
    assert 0 <= position.northing - published.northing < 100


def test_accuracies_add_up() -> None:
    assert to_grid(Coordinates(51.5081, -0.1281, accuracy_metres=9.5)).accuracy_metres == 15
    assert to_grid(Coordinates(53.3498, -6.2603, 10)).accuracy_metres == 12


def test_a_place_can_be_put_on_the_other_grid() -> None:
    galloway = Coordinates(54.842, -5.117)
    assert to_grid(galloway).grid is Grid.OSGB36
    assert to_grid(galloway, Grid.IRISH).grid is Grid.IRISH


@pytest.mark.parametrize(
    ("latitude", "longitude", "grid"),
    [
        (48.85, 2.35, None),
        (0.0, 0.0, None),
        (62.0, -7.0, None),
        (49.21, -2.13, None),  # Jersey lies south of the British grid
        (51.5, -0.1, Grid.IRISH),
    ],
)
def test_places_elsewhere_are_refused(latitude: float, longitude: float, grid: Grid | None) -> None:
    with pytest.raises(GridError, match=r"is on neither grid|is not on the"):
        to_grid(Coordinates(latitude, longitude), grid)


@pytest.mark.parametrize(
    ("texts", "accuracy"),
    [
        (("51.5081", "-0.1281"), 5.566),
        ((" 51.508 ", "-0.1281"), 5.566),
        (("+51.508", "-0.128"), 55.66),
        (("51", "-1"), 55_660.0),
    ],
)
def test_decimals_say_how_well_a_place_is_known(texts: tuple[str, str], accuracy: float) -> None:
    place = Coordinates.parse(*texts)
    assert (place.latitude, place.longitude) == (float(texts[0]), float(texts[1]))
    assert place.accuracy_metres == pytest.approx(accuracy)


@pytest.mark.parametrize(
    "texts", [("", "1"), ("nan", "1"), ("1e1", "1"), ("91.0", "1"), ("1", "180.1")]
)
def test_what_is_no_latitude_and_longitude_is_refused(texts: tuple[str, str]) -> None:
    message = r"is not a latitude and longitude|the place is not on Earth"
    with pytest.raises(GridError, match=message):
        Coordinates.parse(*texts)


@pytest.mark.parametrize("accuracy", [-1.0, math.nan, math.inf])
def test_an_accuracy_is_a_number_from_zero(accuracy: float) -> None:
    with pytest.raises(GridError, match="an accuracy is 0 m or more"):
        Coordinates(51.5, -0.1, accuracy)


def test_the_network_is_off_even_where_it_is_asked_for() -> None:
    module = "geograph_types.distance.geodesy"
    program = f"import pyproj.network as n, {module}; print(n.is_network_enabled())"
    asked_for = os.environ | {"PROJ_NETWORK": "ON"}
    assert subprocess.check_output([sys.executable, "-c", program], env=asked_for) == b"False\n"
