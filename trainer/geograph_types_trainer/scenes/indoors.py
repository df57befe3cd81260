"""Inside: rooms, barns and churches, lit by their windows."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageFilter

from geograph_types_trainer.scenes.canvas import HEIGHT, WIDTH, Canvas, Point, surface
from geograph_types_trainer.scenes.palette import mix, shade

ARCH = [(1, 0), *((np.cos(t), 0.6 + 0.4 * np.sin(t)) for t in np.linspace(0, np.pi, 13)), (-1, 0)]
"""Outline of a window: -1 to 1 across, 0 to 1 up."""


@dataclass(frozen=True)
class Room:
    """A box seen from one end: x -1 to 1 across, y 0 (floor) to 1 (ceiling), z 0 near to 1 far."""

    middle: Point  # of the far wall, in pixels
    size: Point  # of the far wall, in pixels

    def at(self, x: float, y: float, z: float) -> Point:
        """Project a point of the room to pixels."""
        share = 1 - (1 - z) ** 1.8
        near = (WIDTH / 2 + x * 480, HEIGHT / 2 - (2 * y - 1) * 370)
        far = (self.middle[0] + x * self.size[0] / 2, self.middle[1] - (y - 0.5) * self.size[1])
        return near[0] + (far[0] - near[0]) * share, near[1] + (far[1] - near[1]) * share

    def face(self, *ends: float | Point) -> list[Point]:
        """Project a rectangle: two of x, y and z are pairs of ends, the third is one number."""
        turns = iter(((0, 1, 1, 0), (0, 0, 1, 1)))
        sides = (np.take(end, next(turns)) if np.ndim(end) else np.repeat(end, 4) for end in ends)
        return [self.at(x, y, z) for x, y, z in zip(*sides, strict=True)]


def inside(canvas: Canvas) -> Image.Image:
    """Paint floor, walls and ceiling in perspective, bright windows, beams and furniture."""
    rng, full, half = canvas.rng, (-1.0, 1.0), (0.0, 1.0)
    middle = (WIDTH / 2 + rng.normal(0, 60), HEIGHT / 2 + rng.normal(0, 25))
    room = Room(middle, (rng.uniform(190, 380), rng.uniform(140, 260)))
    wall = canvas.choose(canvas.stone, (214, 202, 180), (150, 100, 76), (170, 184, 176))
    grain = canvas.clouds(60, 5)
    for ends in ((full, 1, half), (-1, half, half), (1, half, half), (full, half, 1)):
        canvas.fill(
            room.face(*ends), surface(grain, shade(wall, rng.uniform(0.35, 0.8)), 0.85, 1.1)
        )
    floor = canvas.choose((112, 80, 54), canvas.stone, (90, 90, 96), (136, 70, 60))
    wide, deep = int(rng.integers(6, 13)), canvas.choose(1, 8, 12)
    for column, row in np.ndindex(wide, deep):  # boards or tiles
        x = (2 * column / wide - 1, 2 * (column + 1) / wide - 1)
        tone = shade(floor, 0.52 if (column + row) % 2 else 0.7)
        canvas.fill(room.face(x, 0, (row / deep, (row + 1) / deep)), tone)
    count = int(rng.integers(1, 4))
    for x in (np.arange(count) * 2 + 1) / count - 1:
        _window(canvas, [room.at(x + a * 0.5 / count, 0.35 + b * 0.5, 1) for a, b in ARCH])
    for side in (-1, 1):
        for z in rng.permutation([0.2, 0.5, 0.8])[: int(rng.integers(0, 4))]:
            _window(canvas, [room.at(side, 0.35 + b * 0.45, z + a * 0.1) for a, b in ARCH])
    timber = shade((92, 66, 46), rng.uniform(0.5, 1.2))
    for z in np.linspace(0.9, 0.1, int(rng.integers(0, 6))):
        canvas.fill(room.face(full, (0.92, 1), z), timber)
    _furniture(canvas, room)
    bright = canvas.picture.point([max(0, level - 180) * 3 for level in range(256)] * 3)
    return ImageChops.add(canvas.picture, bright.filter(ImageFilter.BoxBlur(26)), scale=1.6)


def _window(canvas: Canvas, outline: list[Point]) -> None:
    """Paint daylight with glazing bars."""
    canvas.fill(outline, mix((255, 255, 255), (220, 235, 250), canvas.rng.uniform()))
    (left, upper), (right, lower) = np.min(outline, axis=0), np.max(outline, axis=0)
    x, y = (left + right) / 2, (upper + lower) / 2
    for line in ([*outline, outline[0]], [(x, upper), (x, lower)], [(left, y), (right, y)]):
        canvas.draw.line(line, fill=(70, 64, 58), width=3)


def _furniture(canvas: Canvas, room: Room) -> None:
    """Draw pews or boxes, from far to near."""
    rng, pews = canvas.rng, canvas.chance(0.45)
    wood = canvas.choose((110, 72, 42), (70, 48, 34), (150, 116, 76))
    for z in np.linspace(0.8, 0.15, int(rng.integers(4, 8) if pews else rng.integers(1, 4))):
        left = rng.uniform(-0.8, 0.3)
        boxes = [(-0.85, -0.2), (0.2, 0.85)] if pews else [(left, left + 0.4)]
        top, far = (0.22, z + 0.04) if pews else (rng.uniform(0.15, 0.4), z + 0.15)
        for x in boxes:
            canvas.fill(room.face(min(x, key=abs), (0, top), (z, far)), shade(wood, 0.55))
            canvas.fill(room.face(x, top, (z, far)), shade(wood, 1.35))
            canvas.fill(room.face(x, (0, top), z), wood)
