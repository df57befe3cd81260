"""A pinhole camera over flat ground, and the solid things that stand on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, pi, radians, sin, sqrt, tan

import numpy as np
from PIL import Image, ImageDraw

from geograph_types_trainer.scenes.palette import RGB, Palette, choose, mix, shade, vary
from geograph_types_trainer.scenes.texture import HEIGHT, WIDTH, Point, blob, fill

_FOCAL_LENGTH = 560.0  # pixels: a field of view of about 60 degrees


@dataclass(frozen=True)
class View:
    """Where the camera is. The ground's origin is the point in the middle of the picture.

    Attributes:
        height: Height of the camera over the ground, in the ground's units.
        tilt: How far the camera looks down, in radians: 0 level, pi / 2 straight down.
        heading: Turn of the ground about the origin, in radians.
        reach: Distance on the ground from below the camera to the origin.
    """

    height: float
    tilt: float
    heading: float
    reach: float

    def project(self, x: float, y: float, z: float = 0.0) -> Point:
        """Where a point of the ground, or `z` above it, falls on the picture, in pixels."""
        east = x * cos(self.heading) - y * sin(self.heading)
        north = x * sin(self.heading) + y * cos(self.heading) + self.reach
        drop = self.height - z
        depth = north * cos(self.tilt) + drop * sin(self.tilt)
        rise = north * sin(self.tilt) - drop * cos(self.tilt)
        scale = _FOCAL_LENGTH / max(depth, 0.05 * self.height)
        return WIDTH / 2 + scale * east, HEIGHT / 2 - scale * rise

    def outline(self, corners: Sequence[Point], z: float = 0.0) -> list[Point]:
        """Project a polygon that lies level, `z` above the ground."""
        return [self.project(x, y, z) for x, y in corners]

    def depth(self, x: float, y: float) -> float:
        """How far beyond the origin a point of the ground lies, along the line of sight."""
        return x * sin(self.heading) + y * cos(self.heading)

    @property
    def horizon(self) -> float:
        """Row of the horizon in pixels; far above the picture where the camera looks down."""
        return HEIGHT / 2 - _FOCAL_LENGTH * tan(self.tilt)

    def scale(self, x: float, y: float) -> float:
        """Pixels for one unit of width at a point of the ground."""
        north = self.depth(x, y) + self.reach
        depth = north * cos(self.tilt) + self.height * sin(self.tilt)
        return _FOCAL_LENGTH / max(depth, 0.05 * self.height)


def look_down(rng: np.random.Generator, height: float, tilt: tuple[float, float]) -> View:
    """A camera at `height` that looks down by `tilt[0]` to `tilt[1]` degrees, heading anywhere."""
    angle = radians(rng.uniform(*tilt))
    return View(height, angle, rng.uniform(0, 2 * pi), height / tan(angle))


def house(
    picture: Image.Image,
    view: View,
    rng: np.random.Generator,
    palette: Palette,
    place: Point,
    size: tuple[float, float, float],
) -> None:
    """Draw, in place, a house with a gabled roof.

    Args:
        picture: Picture to draw on.
        view: The camera.
        rng: Source of randomness.
        palette: Colours of walls and roof.
        place: Centre of the house on the ground.
        size: Half its length, half its depth, and the height of its walls.
    """
    (x, y), (length, depth, walls) = place, size
    corners = [
        (x - length, y - depth), (x + length, y - depth),
        (x + length, y + depth), (x - length, y + depth),
    ]  # fmt: skip
    wall, roof = vary(rng, palette.stone), vary(rng, palette.roof, 0.18)
    if palette.sun > 0.3:
        shadow = [(a + walls * 1.1, b + walls * 0.7) for a, b in corners]
        fill(picture, view.outline([*corners[:2], *shadow[1:3], shadow[3], corners[3]]),
             mix(palette.grass[0], (20, 24, 30), 0.45 + 0.35 * palette.sun))  # fmt: skip
    top = walls * rng.uniform(1.5, 1.9)
    ends = [view.project(x - length, y, top), view.project(x + length, y, top)]
    eaves = view.outline(corners, walls)
    faces: list[tuple[float, list[Point], RGB]] = []
    for side in range(4):
        one, two = corners[side], corners[(side + 1) % 4]
        face = [view.project(*one), view.project(*two), eaves[(side + 1) % 4], eaves[side]]
        if side in (1, 3):  # the gable ends reach up to the ridge
            face.insert(3, ends[1 if side == 1 else 0])
        middle = view.depth((one[0] + two[0]) / 2, (one[1] + two[1]) / 2)
        faces.append((middle, face, shade(wall, 0.72 if side in (1, 2) else 1.05)))
    slopes = [
        (view.depth(x, y - depth), [eaves[0], eaves[1], ends[1], ends[0]], shade(roof, 1.15)),
        (view.depth(x, y + depth), [eaves[3], eaves[2], ends[1], ends[0]], shade(roof, 0.75)),
    ]
    for _, face, colour in sorted(faces, reverse=True) + sorted(slopes, reverse=True):
        fill(picture, face, colour)
    _windows(picture, view, rng, place, size)


def _windows(
    picture: Image.Image,
    view: View,
    rng: np.random.Generator,
    place: Point,
    size: tuple[float, float, float],
) -> None:
    """Windows and a door on the long wall that faces the camera."""
    (x, y), (length, depth, walls) = place, size
    front = min(y - depth, y + depth, key=lambda edge: view.depth(x, edge))
    if view.tilt > 1.1 or view.scale(x, front) * length < 8:
        return  # too steep or too small to see them
    dark = (40, 44, 52)
    count = int(rng.integers(2, 5))
    for number in range(count):
        middle = x - length + (2 * number + 1) * length / count
        half = length / count * 0.35
        foot = 0.05 if number == count // 2 else 0.4
        fill(
            picture,
            [
                view.project(middle - half, front, walls * foot),
                view.project(middle + half, front, walls * foot),
                view.project(middle + half, front, walls * 0.8),
                view.project(middle - half, front, walls * 0.8),
            ],
            shade(dark, rng.uniform(0.7, 2.4)),
        )


def crown(
    picture: Image.Image, rng: np.random.Generator, colour: RGB, centre: Point, radius: Point
) -> None:
    """Draw, in place, the leaves of one tree: overlapping clumps, lit from above left."""
    draw = ImageDraw.Draw(picture)
    draw.polygon(blob(rng, centre, radius, 0.13, 24), fill=shade(colour, 0.68))
    for clump in range(int(np.clip(radius[0] * 0.9, 3, 34))):
        angle, reach = rng.uniform(0, 2 * pi), sqrt(rng.uniform(0, 0.75))
        x = centre[0] + radius[0] * reach * cos(angle)
        y = centre[1] + radius[1] * reach * sin(angle)
        width, height = (radius[0] * rng.uniform(0.16, 0.34), radius[1] * rng.uniform(0.14, 0.3))
        light = 1.1 - 0.3 * (x - centre[0] + y - centre[1]) / (radius[0] + radius[1])
        tone = shade(colour, light * rng.uniform(0.8, 1.25) if clump else 1.0)
        if width < 7:  # too small for its outline to show
            draw.ellipse([x - width, y - height, x + width, y + height], fill=tone)
        else:
            draw.polygon(blob(rng, (x, y), (width, height), 0.3, 7), fill=tone)


def tree_from_above(
    picture: Image.Image,
    view: View,
    rng: np.random.Generator,
    palette: Palette,
    place: Point,
    radius: float,
) -> None:
    """Draw, in place, a tree seen by a camera that looks down on it, with its shadow."""
    size = view.scale(*place) * radius
    flat = max(0.6, sin(view.tilt))
    x, y = view.project(*place)
    if not (-size < x < WIDTH + size and -size < y < HEIGHT + size):
        return
    if palette.sun > 0.3:
        ground = mix(palette.grass[0], (16, 20, 26), 0.4 + 0.4 * palette.sun)
        fill(picture, blob(rng, (x + size * 0.6, y + size * 0.4), (size, size * flat), 0.1), ground)
    crown(picture, rng, choose(rng, palette.foliage), (x, y - size * 0.3), (size, size * flat))
