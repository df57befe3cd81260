"""A pinhole camera over flat ground, and the houses that stand on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, pi, radians, sin, tan

import numpy as np

from geograph_types_trainer.scenes.canvas import HEIGHT, WIDTH, Canvas, Point
from geograph_types_trainer.scenes.palette import shade, vary

FOCAL_LENGTH = 560.0  # pixels: a field of view of about 60 degrees


@dataclass(frozen=True)
class View:
    """Where the camera is. The ground's origin is the point in the middle of the picture."""

    height: float  # over the ground, in the ground's units
    tilt: float  # radians: 0 level, pi / 2 straight down
    heading: float = 0.0  # turn of the ground about the origin, in radians
    reach: float = 0.0  # on the ground, from below the camera to the origin

    @classmethod
    def down(cls, canvas: Canvas, height: float) -> "View":
        """Look down from a height, in any direction, steeply as often as not."""
        angle = radians(canvas.rng.uniform(*canvas.choose((28, 45), (45, 90))))
        return cls(height, angle, canvas.rng.uniform(0, 2 * pi), height / tan(angle))

    def project(self, x: float, y: float, z: float = 0.0) -> Point:
        """Return the pixel of a point of the ground, or `z` above it."""
        east = x * cos(self.heading) - y * sin(self.heading)
        north, drop = self.depth(x, y) + self.reach, self.height - z
        rise = north * sin(self.tilt) - drop * cos(self.tilt)
        depth = north * cos(self.tilt) + drop * sin(self.tilt)
        scale = FOCAL_LENGTH / max(depth, 0.05 * self.height)
        return WIDTH / 2 + scale * east, HEIGHT / 2 - scale * rise

    def outline(self, corners: Sequence[Point], z: float = 0.0) -> list[Point]:
        """Project a polygon that lies level, `z` above the ground."""
        return [self.project(x, y, z) for x, y in corners]

    def depth(self, x: float, y: float) -> float:
        """Return how far beyond the origin a point of the ground lies."""
        return x * sin(self.heading) + y * cos(self.heading)

    def scale(self, x: float, y: float) -> float:
        """Return the pixels of one unit of width at a point of the ground."""
        ahead = self.depth(x, y) + self.reach
        depth = ahead * cos(self.tilt) + self.height * sin(self.tilt)
        return FOCAL_LENGTH / max(depth, 0.05 * self.height)

    @property
    def horizon(self) -> float:
        """Row of the horizon; far above the picture if the camera looks down steeply."""
        return HEIGHT / 2 - FOCAL_LENGTH * tan(self.tilt)


def rectangle(centre: Point, length: float, depth: float) -> list[Point]:
    """Return the corners of a rectangle, given half its length and half its depth."""
    sides = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (length, depth) + centre
    return [(x, y) for x, y in sides.tolist()]


def house(canvas: Canvas, view: View, place: Point, scale: float) -> None:
    """Draw a house with a gabled roof, some 12 x `scale` long."""
    rng, (x, y) = canvas.rng, place
    length, depth, walls = scale * rng.uniform((4.5, 3, 2.8), (8, 4.5, 5))
    corners = rectangle(place, length, depth)
    shadow = [*corners[:2], *((a + walls, b + walls * 0.7) for a, b in corners[1:]), corners[3]]
    canvas.fill(view.outline(shadow), shade(canvas.grass[0], 0.5))
    wall, roof = vary(rng, canvas.stone), vary(rng, canvas.roof, 0.18)
    ridge = [view.project(x + end, y, walls * 1.7) for end in (-length, length)]
    foot, eaves = view.outline(corners), view.outline(corners, walls)
    faces = []
    for side, (a, b) in enumerate(zip((0, 1, 2, 3), (1, 2, 3, 0), strict=True)):
        gable = [ridge[side == 1]] if side % 2 else []
        middle = np.add(corners[a], corners[b]) / 2
        tone = shade(wall, 0.72 if side in (1, 2) else 1.05)
        faces.append((view.depth(*middle), [foot[a], foot[b], eaves[b], *gable, eaves[a]], tone))
    slopes = [
        (view.depth(x, y - depth), [*eaves[:2], ridge[1], ridge[0]], shade(roof, 1.15)),
        (view.depth(x, y + depth), [eaves[3], eaves[2], ridge[1], ridge[0]], shade(roof, 0.75)),
    ]
    for _, face, colour in sorted(faces, reverse=True) + sorted(slopes, reverse=True):
        canvas.fill(face, colour)
    front = min(y - depth, y + depth, key=lambda edge: view.depth(x, edge))
    for middle in x + length * np.array([-0.6, 0.0, 0.6]):
        frame = rectangle((middle, walls * 0.6), length * 0.14, walls * 0.2)
        canvas.fill([view.project(a, front, up) for a, up in frame], (50, 55, 64))
