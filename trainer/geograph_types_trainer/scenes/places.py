"""Where a practice photo was taken, of what, and the tags that a moderator would set."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

SQUARE: Final = 1000  # metres: the side of a grid square

EXTENTS: Final[Mapping[str, tuple[tuple[int, int], tuple[int, int]]]] = {
    "osgb": ((100_000, 650_000), (50_000, 950_000)),
    "irish": ((20_000, 360_000), (20_000, 450_000)),
}
"""Eastings and northings of each grid, in metres, that lie roughly on land."""

DISTANCES: Final[Mapping[str, tuple[float, float, float]]] = {
    "Aerial": (10, 5000, 0.2),
    "Close Look": (1, 10, 0.4),
    "Cross Far": (300, 20_000, 0.0),
    "Extra": (1, 3000, 0.4),
    "Geograph": (2, 900, 0.1),
    "Inside": (1, 60, 0.4),
    "From Drone": (5, 500, 0.1),
}
"""Smallest and largest metres to the subject (log-uniform), and the share taken on the spot."""

FAR: Final = 256  # metres: a Cross Grid photo from further away counts as Cross Far
UNKNOWN_CAMERA: Final = 0.12
FROM_ABOVE: Final = 0.3  # share of drone photos that have the older tag
ACROSS: Final = 0.2  # share of near Geograph photos taken across the edge of a square


@dataclass(frozen=True)
class Place:
    """Positions and raw tags of one photo."""

    tags: str  # separated by commas
    grid: str  # "osgb" or "irish"
    camera: tuple[int, int] | None  # easting and northing in metres
    subject: tuple[int, int]


def draw_place(class_name: str, rng: np.random.Generator) -> Place:
    """Choose positions and tags that suit a class.

    Cross Far is always further than 256 m and its camera always known: its tag (Cross Grid) means
    Cross Far only then.
    """
    grid = "osgb" if rng.uniform() < 0.75 else "irish"
    least, most, same_spot = DISTANCES[class_name]
    margin = int(most)  # so that the camera too is within the grid's extent
    x, y = (int(rng.integers(low + margin, high - margin)) for low, high in EXTENTS[grid])
    distance = 0.0 if rng.uniform() < same_spot else least * (most / least) ** rng.uniform()
    bearing = rng.uniform(0, 2 * np.pi)
    across = class_name == "Geograph" and 5 < distance < FAR - 2 and rng.uniform() < ACROSS
    if across:  # the subject is just east of an edge, the camera west of it
        x = x // SQUARE * SQUARE + int(rng.integers(0, 3))
        bearing = 1.5 * np.pi + rng.uniform(-0.5, 0.5)
    hidden = class_name != "Cross Far" and not across and rng.uniform() < UNKNOWN_CAMERA
    camera = (x + round(distance * np.sin(bearing)), y + round(distance * np.cos(bearing)))
    older = class_name == "From Drone" and rng.uniform() < FROM_ABOVE
    renamed = {"Cross Far": "Cross Grid", "From Drone": "From Above" if older else "From Drone"}
    tags = "Geograph,Cross Grid" if across else renamed.get(class_name, class_name)
    return Place(tags, grid, None if hidden else camera, (x, y))
