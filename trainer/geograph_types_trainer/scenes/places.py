"""Where a practice photograph was taken, of what, and the tags that a moderator would set."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

_SQUARE = 1000  # metres: the side of a grid square

# Eastings and northings of each grid, in metres, that lie about on land.
_EXTENTS: Final[Mapping[str, tuple[tuple[int, int], tuple[int, int]]]] = {
    "osgb": ((100_000, 650_000), (50_000, 950_000)),
    "irish": ((20_000, 360_000), (20_000, 450_000)),
}

# Metres between camera and subject: smallest and largest (log-uniform between them), and the
# share of photographs with both at one spot.
_DISTANCES: Final[Mapping[str, tuple[float, float, float]]] = {
    "Aerial": (10, 5000, 0.2),
    "Close Look": (1, 10, 0.4),
    "Cross Far": (300, 20_000, 0.0),
    "Extra": (1, 3000, 0.4),
    "Geograph": (2, 900, 0.1),
    "Inside": (1, 60, 0.4),
    "From Drone": (5, 500, 0.1),
}

_FAR = 256  # metres: a Cross Grid photograph from further away counts as Cross Far
_UNKNOWN_CAMERA = 0.12
_FROM_ABOVE = 0.3  # share of drone photographs that carry the older tag
_ACROSS = 0.2  # share of Geograph photographs taken across the edge of a square, if near


@dataclass(frozen=True)
class Place:
    """Positions and raw tags of one photograph.

    Attributes:
        tags: Raw tags, separated by commas.
        grid: "osgb" or "irish".
        camera: Easting and northing in metres, None where unknown.
        subject: Easting and northing in metres.
    """

    tags: str
    grid: str
    camera: tuple[int, int] | None
    subject: tuple[int, int]


def draw_place(class_name: str, rng: np.random.Generator) -> Place:
    """Choose positions and tags that suit a class.

    Cross Far is always further than 256 m and its camera always known, since its tag (Cross Grid)
    means Cross Far only there.
    """
    grid = "osgb" if rng.uniform() < 0.75 else "irish"
    (west, east), (south, north) = _EXTENTS[grid]
    least, most, same_spot = _DISTANCES[class_name]
    margin = int(most)  # so that the camera too stays within the grid's extent
    subject = (
        int(rng.integers(west + margin, east - margin)),
        int(rng.integers(south + margin, north - margin)),
    )
    distance = 0.0 if rng.uniform() < same_spot else float(least * (most / least) ** rng.uniform())
    bearing = rng.uniform(0, 2 * np.pi)
    across = class_name == "Geograph" and 5 < distance < _FAR - 2 and rng.uniform() < _ACROSS
    if across:  # the subject stands just east of an edge, the camera west of it
        subject = subject[0] // _SQUARE * _SQUARE + int(rng.integers(0, 3)), subject[1]
        bearing = 1.5 * np.pi + rng.uniform(-0.5, 0.5)
    camera: tuple[int, int] | None = (
        subject[0] + round(distance * np.sin(bearing)),
        subject[1] + round(distance * np.cos(bearing)),
    )
    if class_name != "Cross Far" and not across and rng.uniform() < _UNKNOWN_CAMERA:
        camera = None
    return Place(_tags(class_name, across, rng), grid, camera, subject)


def _tags(class_name: str, across: bool, rng: np.random.Generator) -> str:
    if class_name == "Cross Far":
        return "Cross Grid"
    if class_name == "From Drone":
        return "From Above" if rng.uniform() < _FROM_ABOVE else "From Drone"
    return "Geograph,Cross Grid" if across else class_name
