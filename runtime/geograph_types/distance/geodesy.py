"""From latitude and longitude to the national grids; the only module that imports pyproj.

British positions go to EPSG:27700. Irish ones go to EPSG:29903 (TM75 / Irish Grid), the datum of
the maps on which references are read; PROJ gives the same numbers for EPSG:29902 (TM65).

How good it is: PROJ states 1 m for the Irish grid. For Britain the exact way is OSTN15, a
grid of measured shifts of the old triangulation. Where PROJ finds that file (`uk_os_OSTN15_...tif`,
in PROJ's data folder) it uses it; without it, as pyproj is installed, seven parameters stand in,
which are within 5 m of the Ordnance Survey's own test points. PROJ's network access is switched
off, so nothing is ever fetched. Every position that is made here says so in its accuracy.
"""

import math
from bisect import bisect_right
from functools import cache
from typing import Final

from geograph_types.distance.coordinates import Coordinates
from geograph_types.distance.grid import Grid, GridPosition
from geograph_types.errors import GridError, MissingExtraError

try:
    import pyproj
    import pyproj.network
except ModuleNotFoundError:
    raise MissingExtraError("pyproj", "geo") from None

pyproj.network.set_network_enabled(False)  # type: ignore[attr-defined]

EPSG: Final = {Grid.OSGB36: 27700, Grid.IRISH: 29903}

CONVERSION_METRES: Final = {Grid.OSGB36: 5, Grid.IRISH: 2}
"""What the conversion itself may be off, in metres, without any grid file."""

SOUTH, NORTH, WEST, EAST = 49.0, 61.5, -11.5, 3.0
"""Degrees: the islands with the sea around them; what lies outside is on neither grid."""

IRISH_NORTH, IRISH_SOUTH = 55.5, 51.2
"""Degrees: from Inishtrahull (55.43 N), with Islay (55.58 N) beyond, to south of Ireland."""

DIVIDE: Final = (
    (51.2, -6.0),
    (51.9, -5.8),
    (52.6, -5.5),
    (54.6, -5.3),
    (54.95, -5.55),
    (55.25, -5.92),
    (55.5, -5.92),
)
"""Latitude and longitude of a line through the sea, rising to the north; Ireland is to the west.

It leaves Tuskar Rock, Wicklow Head, the Kish, South Rock, Mew Island, the Maidens and Torr Head to
Ireland, and the Smalls, Bardsey, the Isle of Man, the Rhins of Galloway and Kintyre to Britain.
"""


def is_on_a_grid(place: Coordinates) -> bool:
    """Check whether a place is on or near these islands."""
    return SOUTH <= place.latitude <= NORTH and WEST <= place.longitude <= EAST


def geodesic_metres(first: Coordinates, second: Coordinates) -> float:
    """Compute the distance along the ellipsoid of WGS84."""
    metres = _ellipsoid().inv(first.longitude, first.latitude, second.longitude, second.latitude)[2]
    return float(metres)


@cache
def _ellipsoid() -> pyproj.Geod:
    return pyproj.Geod(ellps="WGS84")


def grid_at(place: Coordinates) -> Grid:
    """Choose the grid on which Geograph files a place.

    Ireland is what lies between 51.2 and 55.5 degrees north and west of a line through the middle
    of the Irish Sea and the North Channel. All else is Britain, the Isle of Man with it. In the
    open sea, where either grid would do, the same line decides.
    """
    if not is_on_a_grid(place):
        raise GridError(
            f"the place is on neither grid, British or Irish (latitude {place.latitude}, longitude "
            f"{place.longitude}): give the distance in metres"
        )
    if not IRISH_SOUTH <= place.latitude < IRISH_NORTH:
        return Grid.OSGB36
    index = bisect_right(DIVIDE, place.latitude, key=lambda point: point[0])
    (south, west), (north, east) = DIVIDE[index - 1], DIVIDE[index]
    share = (place.latitude - south) / (north - south)
    return Grid.IRISH if place.longitude < west + share * (east - west) else Grid.OSGB36


def to_grid(place: Coordinates, grid: Grid | None = None) -> GridPosition:
    """Convert a place to a position in whole metres, on a grid or on the one of `grid_at`.

    Its accuracy is the place's own and that of the conversion together.
    """
    chosen = grid_at(place)
    grid = grid or chosen
    easting, northing = _transformer(grid).transform(place.longitude, place.latitude)
    if not (math.isfinite(easting) and math.isfinite(northing)):
        raise GridError(
            f"the place is not on the {grid.value} grid (latitude {place.latitude}, longitude "
            f"{place.longitude}): give the distance in metres"
        )
    accuracy = math.ceil(place.accuracy_metres + CONVERSION_METRES[grid])
    return GridPosition(grid, math.floor(easting), math.floor(northing), accuracy_metres=accuracy)


@cache
def _transformer(grid: Grid) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(
        "EPSG:4326", f"EPSG:{EPSG[grid]}", always_xy=True, allow_ballpark=False
    )
