"""Surfaces: fractal noise, and filling shapes with it."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from geograph_types_trainer.scenes.palette import RGB, mix

SIZE = (640, 480)
"""Width and height of every scene in pixels, as on the archive's own pages."""
WIDTH, HEIGHT = SIZE

Point = tuple[float, float]


def clouds(
    rng: np.random.Generator,
    cell: float,
    octaves: int = 4,
    stretch: tuple[float, float] = (1.0, 1.0),
    size: tuple[int, int] = SIZE,
) -> Image.Image:
    """Fractal noise, as an "L" image that uses the whole range 0 to 255.

    Args:
        rng: Source of randomness.
        cell: Size of the largest blobs in pixels; every octave halves it.
        octaves: Number of scales that are summed, each with about two thirds of the last one.
        stretch: Factors by which blobs are wider and taller than `cell`.
        size: Width and height of the image in pixels.
    """
    # Half the size is quicker by far, and finer grain would not survive the camera.
    width, height = size[0] // 2, size[1] // 2
    cell = cell / 2
    total: Image.Image | None = None
    for octave in range(octaves):
        step = cell / 2**octave
        columns = max(2, min(width, round(width / (step * stretch[0])) + 1))
        rows = max(2, min(height, round(height / (step * stretch[1])) + 1))
        grain = Image.fromarray(rng.integers(0, 256, (rows, columns), dtype=np.uint8))
        layer = grain.resize((width, height), Image.Resampling.BICUBIC)
        total = layer if total is None else Image.blend(total, layer, 0.4)
    if total is None:
        raise ValueError("octaves must be at least 1")
    return ImageOps.autocontrast(total, cutoff=0.5).resize(size, Image.Resampling.BILINEAR)


def surface(noise: Image.Image, dark: RGB, light: RGB) -> Image.Image:
    """Turn noise ("L") into a coloured surface that runs from `dark` to `light`."""
    return ImageOps.colorize(noise, dark, light)


def gradient(top: RGB, bottom: RGB, size: tuple[int, int] = SIZE) -> Image.Image:
    """A picture that runs smoothly from `top` to `bottom`."""
    column = Image.new("RGB", (1, 16))
    for row in range(16):
        column.putpixel((0, row), mix(top, bottom, row / 15))
    return column.resize(size, Image.Resampling.BICUBIC)


def fill(picture: Image.Image, outline: Sequence[Point], paint: Image.Image | RGB) -> None:
    """Fill a polygon, in place, with a colour or with a picture of the same size."""
    if isinstance(paint, tuple):
        ImageDraw.Draw(picture).polygon(list(outline), fill=paint)
        return
    xs, ys = zip(*outline, strict=True)
    left, upper = max(0, int(min(xs))), max(0, int(min(ys)))
    right = min(picture.width, int(max(xs)) + 1)
    lower = min(picture.height, int(max(ys)) + 1)
    if right <= left or lower <= upper:
        return
    mask = Image.new("L", (right - left, lower - upper))
    ImageDraw.Draw(mask).polygon([(x - left, y - upper) for x, y in outline], fill=255)
    picture.paste(paint.crop((left, upper, right, lower)), (left, upper), mask)


def blob(
    rng: np.random.Generator, centre: Point, radius: Point, roughness: float, corners: int = 14
) -> list[Point]:
    """The outline of an irregular round shape, such as a tree crown or a pond."""
    angles = np.arange(corners) * (2 * np.pi / corners) + rng.uniform(0, 2 * np.pi)
    reach = 1 + rng.uniform(-roughness, roughness, corners)
    xs = centre[0] + radius[0] * reach * np.cos(angles)
    ys = centre[1] + radius[1] * reach * np.sin(angles)
    return list(zip(xs.tolist(), ys.tolist(), strict=True))


def ridge_line(
    rng: np.random.Generator, base: float, amplitude: float, roughness: float = 0.5
) -> list[Point]:
    """A silhouette from the left edge to the right one.

    Args:
        rng: Source of randomness.
        base: Mean height on the picture in pixels from the top.
        amplitude: Height of the largest wave in pixels.
        roughness: How much of each wave the one of half its length keeps, 0 to 1.
    """
    xs = np.linspace(0, WIDTH, 81)
    ys = np.full_like(xs, base)
    length = float(WIDTH) * 1.2
    for _ in range(6):
        ys += amplitude * np.sin(2 * np.pi * (xs / length + rng.uniform()))
        length /= rng.uniform(1.7, 2.4)
        amplitude *= roughness
    return list(zip(xs.tolist(), ys.tolist(), strict=True))


def fill_below(picture: Image.Image, line: Sequence[Point], paint: Image.Image | RGB) -> None:
    """Fill, in place, everything between a silhouette and the lower edge."""
    fill(picture, [*line, (WIDTH, HEIGHT), (0, HEIGHT)], paint)


def recede(noise: Image.Image, horizon: float, near: float = 1.0) -> Image.Image:
    """Lay noise on the ground: fine towards the horizon, coarse at the viewer's feet.

    Args:
        noise: An "L" image of the size of the scene.
        horizon: Row of the horizon in pixels; rows above it repeat the first row below it.
        near: Magnification of the noise at the lower edge.
    """
    source = np.asarray(noise)
    depth = (HEIGHT - horizon) / np.maximum(np.arange(HEIGHT) - horizon, 3.0)
    columns = ((np.arange(WIDTH) - WIDTH / 2)[None, :] * depth[:, None] / near).astype(np.int32)
    rows = (depth * (HEIGHT / near)).astype(np.int32)
    return Image.fromarray(source[rows[:, None] % HEIGHT, columns % WIDTH])
