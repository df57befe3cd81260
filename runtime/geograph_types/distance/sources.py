"""Where camera and subject stood, from the best source there is.

There are two sources: a row of a CSV file, and the photo's own EXIF. Each is read as
`Places`; `best_distance` computes the distance, which says what it came from.
"""

import re
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from geograph_types.distance.coordinates import Coordinates, is_pair_of_angles
from geograph_types.distance.crossing import Crossing
from geograph_types.distance.distance import Distance, DistanceBasis, DistanceSource
from geograph_types.distance.grid import (
    EXTENT_METRES,
    SQUARE_METRES,
    Grid,
    GridPosition,
    parse_grid_reference,
)
from geograph_types.errors import GridError, MissingExtraError

Place: TypeAlias = GridPosition | Coordinates
"""A position on a grid, or latitude and longitude."""


METRES_PAIR: Final = re.compile(
    r"([0-9]{4,7})(?:[.][0-9]*)?(?: *[,;] *| +)([0-9]{4,7})(?:[.][0-9]*)?"
)


def parse_place(text: str, grid: Grid | None = None) -> Place | None:
    """Read a grid reference, eastings and northings, or a latitude and longitude.

    Empty text is `None`, and so is 0, 0, which devices without a fix write. Eastings and northings
    are on `grid`, or on the British one if they are too large for the Irish one.
    """
    stripped = text.strip()
    if not stripped:
        return None
    if match := METRES_PAIR.fullmatch(stripped):
        easting, northing = map(int, match.groups())
        return GridPosition.if_known(grid or _only_grid(easting, northing), easting, northing)
    if is_pair_of_angles(stripped):
        place = Coordinates.parse_pair(stripped)
        return None if (place.latitude, place.longitude) == (0, 0) else place
    return parse_grid_reference(stripped)


def _only_grid(easting: int, northing: int) -> Grid:
    if max(easting, northing) < max(EXTENT_METRES[Grid.IRISH]):
        raise GridError(
            f"{easting}, {northing} may be on either grid: add a column 'grid' with osgb or irish"
        )
    return Grid.OSGB36


@dataclass(frozen=True, slots=True)
class Places:
    """What one source says."""

    camera: Place | None = None
    subject: Place | None = None
    metres: float | None = None  # between them, if stated
    focus_metres: float | None = None  # at which the camera focused; used if nothing else is known


NOWHERE: Final = Places()
"""A source that says nothing."""


@dataclass(frozen=True, slots=True)
class BestDistance:
    """The distance, and what could not be used for it."""

    distance: Distance
    problem: str | None = None  # why positions in EXIF that were needed could not be used


def best_distance(csv: Places, exif: Places = NOWHERE) -> BestDistance:
    """Compute the distance from what the sources say.

    Readings are tried in turn: the CSV alone; the CSV completed by EXIF, if each knows one of the
    two places; EXIF alone; and the distance at which the camera focused. The metres are those of
    the first reading that has any, and whether the grid is crossed is taken from the first that
    decides it. Within a reading a stated distance goes before one measured between positions. Both
    places are brought to one grid: that of the place which is given on a grid, else the subject's.
    Between places on neither grid the distance is that along the ellipsoid.
    """
    readings = [_reading(csv, DistanceSource.STATED)]
    completed = Places(csv.camera or exif.camera, csv.subject or exif.subject)
    both = (csv.camera or csv.subject) and (exif.camera or exif.subject)
    problem = None
    for places, source in (
        (completed if both else NOWHERE, DistanceSource.CSV_AND_EXIF),
        (exif, DistanceSource.EXIF),
    ):
        if _is_complete(_best(readings)):
            break
        try:
            readings.append(_reading(places, source))
        except (GridError, MissingExtraError) as error:
            problem = str(error)
            readings.append(_reading(Places(metres=places.metres), source))
    readings.append(_reading(Places(metres=exif.focus_metres), DistanceSource.EXIF))
    return BestDistance(_best(readings), problem)


def _reading(places: Places, source: DistanceSource) -> Distance:
    """Compute the distance of one source; with a stated one, places only tell the crossing."""
    stated = Distance.from_metres(places.metres)
    try:
        measured = _measured(places.camera, places.subject)
    except GridError:
        if stated.metres is None:
            raise
        measured = Distance.unknown()
    best = measured if stated.metres is None else replace(stated, crossing=measured.crossing)
    return best if best == Distance.unknown() else replace(best, source=source)


def _measured(camera: Place | None, subject: Place | None) -> Distance:
    if isinstance(camera, Coordinates) and isinstance(subject, Coordinates):
        # Imported here: most photos come with grid references or nothing, and need no pyproj.
        from geograph_types.distance.geodesy import geodesic_metres, is_on_a_grid

        if not (is_on_a_grid(camera) and is_on_a_grid(subject)):
            accuracy = max(camera.accuracy_metres, subject.accuracy_metres)
            if 2 * accuracy >= SQUARE_METRES:
                return Distance(None, DistanceBasis.TOO_COARSE)
            return Distance(geodesic_metres(camera, subject), DistanceBasis.POSITIONS)
    return Distance.between(*_on_one_grid(camera, subject))


def _best(readings: list[Distance]) -> Distance:
    """Choose metres and crossing, each from the first reading that says most of it."""
    metres = min(readings, key=lambda r: (r.metres is None, r == Distance.unknown()))
    crossing = min(readings, key=lambda r: (r.crosses_grid is None, r.crossing is Crossing.UNKNOWN))
    return replace(metres, crossing=crossing.crossing)


def _is_complete(distance: Distance) -> bool:
    return distance.metres is not None and distance.crosses_grid is not None


def _on_one_grid(
    camera: Place | None, subject: Place | None
) -> tuple[GridPosition | None, GridPosition | None]:
    """Convert places, where there are two of them."""
    if camera is None or subject is None:
        return None, None
    grid = next((p.grid for p in (subject, camera) if isinstance(p, GridPosition)), None)
    on_grid = _to_grid(subject, grid)
    return _to_grid(camera, on_grid.grid), on_grid


def _to_grid(place: Place, grid: Grid | None) -> GridPosition:
    if isinstance(place, GridPosition):
        return place
    from geograph_types.distance.geodesy import to_grid

    return to_grid(place, grid)
