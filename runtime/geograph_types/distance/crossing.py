"""Whether camera and subject stand in different 1 km squares: Geograph's Cross Grid, as geometry.

A position is a box: the square that its figures name, widened by its accuracy. The answer is given
only where it is the same for every pair of points in the two boxes. A grid reference is a square
cut off, not rounded, so it never straddles a line of the grid; a receiver's position may.
"""

from enum import StrEnum

from geograph_types.distance.grid import SQUARE_METRES, GridPosition
from geograph_types.errors import GridError


class Crossing(StrEnum):
    """Whether the grid is crossed, or why that is not known."""

    CROSSED = "crossed"
    NOT_CROSSED = "not_crossed"
    TOO_CLOSE = "too_close_to_a_line"
    TOO_COARSE = "reference_too_coarse"
    UNKNOWN = "unknown"


def crossing_of(camera: GridPosition, subject: GridPosition) -> Crossing:
    """Compare the 1 km squares of two positions on one grid.

    If neither answer is certain, it is too coarse where a position is known to worse than 1 km, and
    too close where one lies nearer to a line than it is known.
    """
    if camera.grid != subject.grid:
        raise GridError(
            f"camera on the {camera.grid.value} grid, subject on the {subject.grid.value} grid: "
            "convert one of them, or give the distance in metres"
        )
    squares = [
        (_squares(camera, metres_of_camera), _squares(subject, metres_of_subject))
        for metres_of_camera, metres_of_subject in (
            (camera.easting, subject.easting),
            (camera.northing, subject.northing),
        )
    ]
    if any(there[-1] < here[0] or here[-1] < there[0] for here, there in squares):
        return Crossing.CROSSED
    if all(len(here) == len(there) == 1 for here, there in squares):
        return Crossing.NOT_CROSSED
    if max(camera.reach_metres, subject.reach_metres) > SQUARE_METRES:
        return Crossing.TOO_COARSE
    return Crossing.TOO_CLOSE


def _squares(position: GridPosition, metres: int) -> range:
    """List the kilometres in which an easting or northing of a position may lie."""
    first = metres - metres % position.precision_metres - position.accuracy_metres
    last = first + position.reach_metres - 1
    return range(first // SQUARE_METRES, last // SQUARE_METRES + 1)
