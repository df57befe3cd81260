"""The canvas of one scene, with the noise and the outlines that it is painted with."""

from collections.abc import Sequence
from typing import TypeAlias, TypeVar

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from geograph_types_trainer.scenes import palette
from geograph_types_trainer.scenes.palette import RGB, shade, vary

SIZE = (640, 480)
"""Width and height of every scene in pixels, as on the archive's own pages."""
WIDTH, HEIGHT = SIZE

Point: TypeAlias = tuple[float, float]
Option = TypeVar("Option")


class Canvas:
    """A picture in progress, with its randomness and its colours."""

    def __init__(self, rng: np.random.Generator) -> None:
        """Choose the colours; the picture is black."""
        self.rng = rng
        self.picture = Image.new("RGB", SIZE)
        grass, foliage = self.choose(*palette.SEASONS)
        self.grass = [vary(rng, colour) for colour in grass]
        self.foliage = [vary(rng, colour) for colour in foliage]
        self.stone = vary(rng, self.choose(*palette.STONES))
        self.roof = vary(rng, self.choose(*palette.ROOFS))
        self.earth = vary(rng, self.choose(*palette.EARTHS))
        self.zenith, self.haze = self.choose(*palette.SKIES)

    @property
    def draw(self) -> ImageDraw.ImageDraw:
        """Pillow's pencil on the picture as it is now."""
        return ImageDraw.Draw(self.picture)

    def chance(self, share: float) -> bool:
        """Return whether something happens that happens in this share of cases."""
        return bool(self.rng.uniform() < share)

    def choose(self, *options: Option) -> Option:
        """Pick one of the options, of any type."""
        return options[int(self.rng.integers(len(options)))]

    def any_colour(self) -> RGB:
        """Return a colour of any hue."""
        red, green, blue = (int(part) for part in self.rng.integers(30, 245, 3))
        return red, green, blue

    def several(self, fewest: int, most: int) -> range:
        """Return a random number of turns, both ends included."""
        return range(int(self.rng.integers(fewest, most + 1)))

    def spot(self) -> Point:
        """Return a random point of the picture."""
        return float(self.rng.uniform(0, WIDTH)), float(self.rng.uniform(0, HEIGHT))

    def fill(self, outline: Sequence[Point], paint: Image.Image | RGB) -> None:
        """Fill a polygon with a colour or with a picture of the canvas's size."""
        if isinstance(paint, tuple):
            self.draw.polygon(outline, fill=paint)
            return
        xs, ys = zip(*outline, strict=True)
        left, upper = max(0, int(min(xs))), max(0, int(min(ys)))
        right, lower = min(WIDTH, int(max(xs)) + 1), min(HEIGHT, int(max(ys)) + 1)
        if right > left and lower > upper:
            mask = Image.new("L", (right - left, lower - upper))
            inner = [(x - left, y - upper) for x, y in outline]
            ImageDraw.Draw(mask).polygon(inner, fill=255)
            self.picture.paste(paint.crop((left, upper, right, lower)), (left, upper), mask)

    def fill_below(self, line: Sequence[Point], paint: Image.Image | RGB) -> None:
        """Fill everything between a silhouette and the lower edge."""
        self.fill([*line, (WIDTH, HEIGHT), (0, HEIGHT)], paint)

    def crown(self, colour: RGB, centre: Point, radius: Point) -> None:
        """Draw the leaves of one tree: overlapping clumps, lit from above left."""
        self.fill(self.blob(centre, radius, 0.15), shade(colour, 0.65))
        for _ in range(int(np.clip(radius[0] * 0.7, 3, 24))):
            x, y = self.rng.uniform(-0.75, 0.75, 2)
            light = (1.05 - 0.35 * (x + y)) * self.rng.uniform(0.8, 1.2)
            clump = (centre[0] + radius[0] * x, centre[1] + radius[1] * y)
            leaves = self.blob(clump, (radius[0] * 0.26, radius[1] * 0.24), 0.35, 8)
            self.fill(leaves, shade(colour, light))

    def write(self, corner: Point, width: float, height: float, ink: RGB) -> None:
        """Write a line of invented letters: without a font, every machine draws the same."""
        draw, step = self.draw, height * 0.72
        for x in np.arange(corner[0], corner[0] + width - step, step):
            if self.chance(0.16):
                continue  # between two words
            places = self.rng.integers((0, 0), (3, 3), (4, 2)) * (step / 3, height / 2)
            stroke = np.add(places, (x, corner[1]))
            draw.line(stroke.ravel().tolist(), fill=ink, width=max(1, round(height * 0.13)))

    def clouds(self, cell: float, octaves: int = 4, stretch: Point = (1.0, 1.0)) -> Image.Image:
        """Return fractal noise, a picture "L" that uses the range 0 to 255.

        The largest blobs are `cell` pixels across, `stretch` times as wide and tall; every octave
        halves them.
        """
        # Half the size is far quicker, and finer grain would not survive the camera.
        size = (WIDTH // 2, HEIGHT // 2)
        total = Image.new("L", size, 128)
        for octave in range(octaves):
            blobs = np.divide(size, stretch) * (2 ** (octave + 1) / cell)
            columns, rows = np.clip(blobs.round().astype(int) + 1, 2, size)
            grain = Image.fromarray(self.rng.integers(0, 256, (rows, columns), np.uint8))
            total = Image.blend(total, grain.resize(size, Image.Resampling.BICUBIC), 0.4)
        return ImageOps.autocontrast(total, cutoff=0.5).resize(SIZE, Image.Resampling.BILINEAR)

    def blob(self, centre: Point, radius: Point, rough: float, corners: int = 16) -> list[Point]:
        """Return the outline of an irregular round shape, such as a tree crown or a pond."""
        angles = np.arange(corners) * (2 * np.pi / corners)
        reach = 1 + self.rng.uniform(-rough, rough, corners)
        xs = centre[0] + radius[0] * reach * np.cos(angles)
        ys = centre[1] + radius[1] * reach * np.sin(angles)
        return list(zip(xs.tolist(), ys.tolist(), strict=True))

    def ridge(self, base: float, amplitude: float) -> list[Point]:
        """Return a silhouette from the left edge to the right one, at mean height `base`."""
        xs = np.linspace(0, WIDTH, 81)
        ys = np.full_like(xs, base)
        length = WIDTH * 1.2
        for _ in range(6):
            ys += amplitude * np.sin(2 * np.pi * (xs / length + self.rng.uniform()))
            length, amplitude = length / self.rng.uniform(1.7, 2.4), amplitude / 2
        return list(zip(xs.tolist(), ys.tolist(), strict=True))


def surface(noise: Image.Image, colour: RGB, dark: float, light: float) -> Image.Image:
    """Colour noise from one shade of a colour to another."""
    return ImageOps.colorize(noise, shade(colour, dark), shade(colour, light))
