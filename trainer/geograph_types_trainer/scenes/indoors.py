"""Inside: rooms, barns and churches, lit by their windows."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from geograph_types_trainer.scenes.palette import RGB, Palette, choose, draw_palette, mix, shade
from geograph_types_trainer.scenes.texture import HEIGHT, WIDTH, Point, clouds, fill, surface


@dataclass(frozen=True)
class _Room:
    """A box seen from one end: x -1 to 1 across, y 0 (floor) to 1 (ceiling), z 0 near to 1 far."""

    left: float
    top: float
    right: float
    bottom: float

    def at(self, x: float, y: float, z: float) -> Point:
        """Project a point of the room to pixels; depth shrinks it towards the far wall."""
        share = 1 - (1 - z) ** 1.8 if z >= 0 else z
        across, up = (x + 1) / 2, 1 - y
        near = (-160 + across * (WIDTH + 320), -130 + up * (HEIGHT + 260))
        far = (
            self.left + across * (self.right - self.left),
            self.top + up * (self.bottom - self.top),
        )
        return near[0] + (far[0] - near[0]) * share, near[1] + (far[1] - near[1]) * share

    def face(self, *corners: tuple[float, float, float]) -> list[Point]:
        """Project the outline of a face."""
        return [self.at(*corner) for corner in corners]


def inside(rng: np.random.Generator) -> Image.Image:
    """A room in perspective: floor, walls, ceiling, bright windows, arches, furniture."""
    palette = draw_palette(rng)
    half_width, half_height = rng.uniform(95, 190), rng.uniform(70, 130)
    x, y = WIDTH / 2 + rng.normal(0, 60), HEIGHT / 2 + rng.normal(0, 25)
    room = _Room(x - half_width, y - half_height, x + half_width, y + half_height)
    wall = choose(rng, (palette.stone, (214, 202, 180), (150, 100, 76), (170, 184, 176)))
    picture = Image.new("RGB", (WIDTH, HEIGHT), shade(wall, 0.4))
    _shell(picture, room, rng, palette, wall)
    lights = Image.new("RGB", picture.size)
    _far_wall(picture, lights, room, rng, wall)
    for side in (-1.0, 1.0):
        _side_wall(picture, lights, room, rng, wall, side)
    _beams(picture, room, rng)
    _furniture(picture, room, rng)
    glow = lights.filter(ImageFilter.BoxBlur(26))
    return ImageChops.add(ImageChops.lighter(picture, lights), glow, scale=1.6)


def _shell(
    picture: Image.Image, room: _Room, rng: np.random.Generator, palette: Palette, wall: RGB
) -> None:
    """Ceiling, side walls, far wall, and a floor of boards or tiles."""
    grain = clouds(rng, 60, 5)
    faces = (
        (((-1, 1, 0), (1, 1, 0), (1, 1, 1), (-1, 1, 1)), shade(wall, rng.uniform(0.3, 0.8))),
        (((-1, 0, 0), (-1, 1, 0), (-1, 1, 1), (-1, 0, 1)), shade(wall, rng.uniform(0.4, 0.7))),
        (((1, 0, 0), (1, 1, 0), (1, 1, 1), (1, 0, 1)), shade(wall, rng.uniform(0.4, 0.7))),
        (((-1, 0, 1), (1, 0, 1), (1, 1, 1), (-1, 1, 1)), shade(wall, rng.uniform(0.45, 0.8))),
    )
    for corners, tone in faces:
        fill(picture, room.face(*corners), surface(grain, shade(tone, 0.85), shade(tone, 1.1)))
    floor = choose(rng, ((112, 80, 54), palette.stone, (90, 90, 96), (136, 70, 60)))
    across, along = int(rng.integers(6, 13)), choose(rng, (1, 8, 12))
    for column in range(across):
        for row in range(along):
            checker = 0.75 if (column + row) % 2 and along > 1 else 1.0
            tone = shade(floor, 0.7 * checker * rng.uniform(0.9, 1.1))
            a, b = 2 * column / across - 1, 2 * (column + 1) / across - 1
            near, far = row / along, (row + 1) / along
            fill(picture, room.face((a, 0, near), (b, 0, near), (b, 0, far), (a, 0, far)), tone)
            if along == 1:
                joint = room.face((a, 0, 0), (a, 0, 1))
                ImageDraw.Draw(picture).line(joint, fill=shade(floor, 0.35), width=2)


def _arched(left: float, right: float, foot: float, top: float, pointed: bool) -> list[Point]:
    """Outline of a window or an arch, in the plane of a wall."""
    middle, spring = (left + right) / 2, foot + (top - foot) * 0.6
    turns = np.linspace(0, np.pi, 13)
    bulge = np.sin(turns) ** (1.0 if pointed else 0.6)
    arch = [
        (middle + (right - middle) * float(np.cos(t)), spring + (top - spring) * float(b))
        for t, b in zip(turns, bulge, strict=True)
    ]
    return [(right, foot), *arch, (left, foot)]


def _far_wall(
    picture: Image.Image, lights: Image.Image, room: _Room, rng: np.random.Generator, wall: RGB
) -> None:
    """Windows, or an arch into the dark, at the end of the room."""
    kind = choose(rng, ("windows", "windows", "arch", "door"))
    if kind == "windows":
        count = int(rng.integers(1, 4))
        for number in range(count):
            middle = 2 * (number + 0.5) / count - 1
            half = 0.55 / count
            frame = _arched(middle - half, middle + half, 0.35, 0.85, rng.uniform() < 0.5)
            outline = [room.at(x, y, 1) for x, y in frame]
            _window(picture, lights, rng, outline)
        return
    half = rng.uniform(0.25, 0.6)
    frame = _arched(-half, half, 0.0, 0.8, kind == "arch")
    fill(picture, [room.at(x * 1.15, y * 1.08, 1) for x, y in frame], shade(wall, 1.05))
    fill(picture, [room.at(x, y, 1) for x, y in frame], shade(wall, 0.18))


def _side_wall(
    picture: Image.Image,
    lights: Image.Image,
    room: _Room,
    rng: np.random.Generator,
    wall: RGB,
    side: float,
) -> None:
    """Windows, pictures or arches along one side."""
    kind = choose(rng, ("windows", "windows", "arches", "pictures", "bare"))
    if kind == "bare":
        return
    count = int(rng.integers(2, 4))
    for number in range(count):
        near, far = (number + 0.2) / count, (number + 0.75) / count
        foot, top = (0.0, 0.8) if kind == "arches" else (0.35, 0.8)
        frame = _arched(near, far, foot, top, True)
        outline = [room.at(side, y, z) for z, y in frame]
        if kind == "windows":
            _window(picture, lights, rng, outline)
        elif kind == "arches":
            fill(picture, outline, shade(wall, 0.22))
        else:
            canvas = room.face((side, 0.45, near), (side, 0.45, far), (side, 0.75, far),
                               (side, 0.75, near))  # fmt: skip
            fill(picture, canvas, shade((120, 90, 60), rng.uniform(0.6, 1.4)))
            ImageDraw.Draw(picture).line([*canvas, canvas[0]], fill=(60, 46, 30), width=4)


def _window(
    picture: Image.Image, lights: Image.Image, rng: np.random.Generator, outline: list[Point]
) -> None:
    """Daylight with glazing bars; `lights` gathers it for the glow around."""
    daylight = mix((255, 255, 255), (190, 215, 240), rng.uniform(0, 1))
    fill(picture, outline, daylight)
    fill(lights, outline, shade(daylight, 0.95))
    xs, ys = zip(*outline, strict=True)
    bar: RGB = (70, 64, 58)
    for target in (picture, lights):
        draw = ImageDraw.Draw(target)
        draw.line([*outline, outline[0]], fill=bar, width=4)
        middle = (min(xs) + max(xs)) / 2
        draw.line([middle, min(ys), middle, max(ys)], fill=bar, width=3)
        for share in (0.33, 0.66):
            level = min(ys) + (max(ys) - min(ys)) * share
            draw.line([min(xs), level, max(xs), level], fill=bar, width=3)


def _beams(picture: Image.Image, room: _Room, rng: np.random.Generator) -> None:
    """Timber across the ceiling."""
    if rng.uniform() < 0.35:
        return
    wood = shade((92, 66, 46), rng.uniform(0.5, 1.2))
    for z in np.linspace(0.1, 0.9, int(rng.integers(3, 6)))[::-1]:
        beam = room.face((-1, 1, z), (1, 1, z), (1, 0.92, z), (-1, 0.92, z))
        fill(picture, beam, wood)


def _furniture(picture: Image.Image, room: _Room, rng: np.random.Generator) -> None:
    """Pews in rows, or a few tables and boxes; drawn from far to near."""
    wood = shade(choose(rng, ((110, 72, 42), (70, 48, 34), (150, 116, 76))), rng.uniform(0.6, 1.1))
    if rng.uniform() < 0.45:
        aisle = rng.uniform(0.12, 0.3)
        for z in np.linspace(0.15, 0.8, int(rng.integers(4, 8)))[::-1]:
            for inner, outer in ((-0.85, -aisle), (aisle, 0.85)):
                _box(picture, room, (inner, outer), rng.uniform(0.2, 0.23), (z, z + 0.04), wood)
        return
    for z in sorted(rng.uniform(0.2, 0.75, int(rng.integers(1, 4))), reverse=True):
        x, width = rng.uniform(-0.8, 0.3), rng.uniform(0.25, 0.5)
        tone = shade(wood, rng.uniform(0.7, 1.3))
        _box(picture, room, (x, x + width), rng.uniform(0.15, 0.4), (z, z + 0.15), tone)


def _box(
    picture: Image.Image,
    room: _Room,
    across: tuple[float, float],
    height: float,
    along: tuple[float, float],
    colour: RGB,
) -> None:
    (left, right), (near, far) = across, along
    inner = right if abs(right) < abs(left) else left
    top = room.face((left, height, near), (right, height, near), (right, height, far),
                    (left, height, far))  # fmt: skip
    side = room.face((inner, 0, near), (inner, height, near), (inner, height, far), (inner, 0, far))
    front = room.face(
        (left, 0, near), (right, 0, near), (right, height, near), (left, height, near)
    )
    fill(picture, side, shade(colour, 0.55))
    fill(picture, top, shade(colour, 1.35))
    fill(picture, front, colour)
