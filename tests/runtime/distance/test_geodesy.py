"""Latitude and longitude against pyproj itself, and against published points."""

import math
import os
import subprocess
import sys

import numpy as np
import pyproj
import pytest

from geograph_types import Grid
from geograph_types.distance.coordinates import Coordinates
from geograph_types.distance.geodesy import CONVERSION_METRES, grid_at, to_grid
from geograph_types.distance.grid import parse_grid_reference
from geograph_types.errors import GridError

# The Ordnance Survey's test points for OSTN15: latitude, longitude, easting, northing.
# Contains OS data (c) Crown copyright and database right 2016.
ORDNANCE_SURVEY = [
    (49.92226394, -6.29977752, 91492.146, 11318.804),
    (49.96006138, -5.20304610, 170370.718, 11572.405),
    (50.43885826, -4.10864564, 250359.811, 62016.569),
    (50.57563665, -1.29782277, 449816.371, 75335.861),
    (50.93127938, -1.45051434, 438710.920, 114792.250),
    (51.40078220, -3.55128349, 292184.870, 168003.465),
    (51.37447026, 1.44454730, 639821.835, 169565.858),
    (51.42754743, -2.54407618, 362269.991, 169978.690),
    (51.48936565, -0.11992557, 530624.974, 178388.464),
    (51.85890896, -4.30852477, 241124.584, 220332.641),
    (51.89436637, 0.89724327, 599445.590, 225722.826),
    (52.25529382, -2.15458614, 389544.190, 261912.153),
    (52.25160951, -0.91248957, 474335.969, 262047.755),
    (52.75136687, 0.40153547, 562180.547, 319784.995),
    (52.96219109, -1.19747656, 454002.834, 340834.943),
    (53.34480280, -2.64049321, 357455.843, 383290.436),
    (53.41628516, -4.28918070, 247958.971, 393492.909),
    (53.41630925, -4.28917793, 247959.241, 393495.583),
    (53.77911026, -3.04045491, 331534.564, 431920.794),
    (53.80021520, -1.66379168, 422242.186, 433818.701),
    (54.08666318, -4.63452168, 227778.330, 468847.388),
    (54.11685144, -0.07773133, 525745.670, 470703.214),
    (54.32919541, -4.38849118, 244780.636, 495254.887),
    (54.89542340, -2.93827741, 339921.145, 556034.761),
    (54.97912274, -1.61657685, 424639.355, 565012.703),
    (55.85399953, -4.29649016, 256340.925, 664697.269),
    (55.92478266, -3.29479219, 319188.434, 670947.534),
    (57.00606696, -5.82836692, 167634.202, 797067.144),
    (57.13902519, -2.04856031, 397160.491, 805349.736),
    (57.48625001, -4.21926399, 267056.768, 846176.972),
    (57.81351838, -8.57854456, 9587.909, 899448.996),
    (58.21262247, -7.59255561, 71713.132, 938516.404),
    (58.51560361, -6.26091456, 151968.652, 966483.780),
    (58.58120461, -3.72631022, 299721.891, 967202.992),
    (59.03743871, -3.21454001, 330398.323, 1017347.016),
    (59.09335035, -4.41757675, 261596.778, 1025447.602),
    (59.09671617, -5.82799340, 180862.461, 1029604.114),
    (59.53470794, -1.62516966, 421300.525, 1072147.239),
    (59.85409914, -1.27486910, 440725.073, 1107878.448),
    (60.13308092, -2.07382823, 395999.668, 1138728.951),
]

IRELAND = {
    "Dublin": (53.3498, -6.2603),
    "Belfast": (54.5968, -5.9301),
    "Malin Head": (55.382, -7.374),
    "Inishtrahull": (55.431, -7.231),
    "Rathlin": (55.301, -6.172),
    "Torr Head": (55.198, -6.062),
    "The Maidens": (54.929, -5.729),
    "Islandmagee": (54.845, -5.715),
    "Mew Island": (54.699, -5.513),
    "South Rock": (54.400, -5.410),
    "Ballyquintin Point": (54.327, -5.500),
    "Rockabill": (53.597, -6.004),
    "Kish Bank": (53.311, -5.926),
    "Wicklow Head": (52.966, -5.998),
    "Tuskar Rock": (52.203, -6.208),
    "Fastnet": (51.389, -9.603),
    "Great Blasket": (52.100, -10.530),
}
BRITAIN = {
    "London": (51.5081, -0.1281),
    "Douglas, Isle of Man": (54.150, -4.480),
    "Calf of Man": (54.053, -4.822),
    "Mull of Galloway": (54.635, -4.857),
    "Portpatrick": (54.842, -5.117),
    "Corsewall Point": (55.007, -5.159),
    "Ailsa Craig": (55.252, -5.117),
    "Sanda": (55.279, -5.583),
    "Mull of Kintyre": (55.310, -5.803),
    "Mull of Oa, Islay": (55.591, -6.333),
    "South Stack": (53.307, -4.699),
    "Bardsey": (52.757, -4.789),
    "Ramsey Island": (51.863, -5.342),
    "The Smalls": (51.721, -5.670),
    "Land's End": (50.066, -5.715),
    "Bishop Rock": (49.873, -6.445),
    "St Kilda": (57.813, -8.578),
    "Muckle Flugga": (60.855, -0.885),
    "Lowestoft Ness": (52.481, 1.763),
}


@pytest.mark.parametrize("name", IRELAND)
def test_places_in_ireland(name: str) -> None:
    assert grid_at(Coordinates(*IRELAND[name])) is Grid.IRISH


@pytest.mark.parametrize("name", BRITAIN)
def test_places_in_britain_and_on_man(name: str) -> None:
    assert grid_at(Coordinates(*BRITAIN[name])) is Grid.OSGB36


@pytest.mark.parametrize(
    ("grid", "epsg", "south", "north", "west", "east"),
    [
        (Grid.OSGB36, 27700, 50.0, 60.8, -5.0, 1.5),
        (Grid.IRISH, 29903, 51.5, 55.3, -10.2, -6.2),
        (Grid.IRISH, 29902, 51.5, 55.3, -10.2, -6.2),
    ],
)
def test_a_thousand_points_are_those_of_pyproj(
    grid: Grid, epsg: int, south: float, north: float, west: float, east: float
) -> None:
    direct = pyproj.Transformer.from_crs(4326, epsg)
    rng = np.random.default_rng(epsg)
    points = zip(rng.uniform(south, north, 1000), rng.uniform(west, east, 1000), strict=True)
    for latitude, longitude in points:
        position = to_grid(Coordinates(float(latitude), float(longitude)), grid)
        easting, northing = direct.transform(latitude, longitude)
        assert (position.easting, position.northing) == (
            math.floor(easting),
            math.floor(northing),
        )
        assert (position.grid, position.figures) == (grid, 10)


def test_the_points_of_the_ordnance_survey_are_within_the_stated_accuracy() -> None:
    for latitude, longitude, easting, northing in ORDNANCE_SURVEY:
        position = to_grid(Coordinates(latitude, longitude))
        assert position.grid is Grid.OSGB36
        assert position.accuracy_metres == CONVERSION_METRES[Grid.OSGB36]
        middle = position.easting + 0.5, position.northing + 0.5
        assert math.dist(middle, (easting, northing)) <= CONVERSION_METRES[Grid.OSGB36] + 0.8


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
    place = Coordinates(51.5081, -0.1281, accuracy_metres=9.5)
    assert to_grid(place).accuracy_metres == 15
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


def in_a_new_process(program: str) -> str:
    environment = os.environ | {"PROJ_NETWORK": "ON"}
    return subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, env=environment
    ).stdout


def test_the_network_is_off_even_where_it_is_asked_for() -> None:
    program = (
        "import pyproj.network as n, geograph_types.distance.geodesy; print(n.is_network_enabled())"
    )
    assert in_a_new_process(program).strip() == "False"


def test_without_pyproj_the_extra_is_named() -> None:
    program = (
        "import sys; sys.modules['pyproj'] = None\n"
        "from geograph_types.errors import MissingExtraError\n"
        "try:\n    import geograph_types.distance.geodesy\n"
        "except MissingExtraError as error:\n    print(error)"
    )
    assert "pip install 'geograph-types[geo]'" in in_a_new_process(program)
