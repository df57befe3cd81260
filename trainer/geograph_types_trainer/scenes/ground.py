"""Geograph and Cross Far: the landscape from where a walker stands, near and far."""

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from geograph_types_trainer.scenes.finish import haze
from geograph_types_trainer.scenes.palette import RGB, Palette, choose, draw_palette, mix, shade
from geograph_types_trainer.scenes.texture import (
    HEIGHT,
    WIDTH,
    clouds,
    fill,
    fill_below,
    gradient,
    recede,
    ridge_line,
    surface,
)
from geograph_types_trainer.scenes.view import View, crown, house


def geograph(rng: np.random.Generator) -> Image.Image:
    """An ordinary view: ground at the feet, a few things in the middle distance, sky."""
    palette = draw_palette(rng)
    view = View(1.7, float(np.radians(rng.uniform(-4, 5))), 0.0, 0.0)
    horizon = view.horizon
    picture = _sky(rng, palette, horizon)
    hills = ridge_line(rng, horizon - rng.uniform(4, 40), rng.uniform(4, 26))
    fill_below(picture, hills, mix(palette.grass[1], palette.sky_low, rng.uniform(0.15, 0.5)))
    turf = choose(rng, (*palette.grass, palette.earth))
    ground = recede(clouds(rng, 40, 5, (1.8, 1.0)), horizon, rng.uniform(1.2, 2.2))
    fill(picture, [(0, horizon), (WIDTH, horizon), (WIDTH, HEIGHT), (0, HEIGHT)],
         surface(ground, shade(turf, 0.55), shade(turf, 1.25)))  # fmt: skip
    _hedgerow(picture, rng, palette, horizon)
    way = choose(rng, ("road", "track", "none"))
    if way != "none":
        _way(picture, view, rng, palette, way == "road")
    _standing(picture, view, rng, palette)
    boundary = choose(rng, ("wall", "fence", "none"))
    if boundary == "wall":
        _wall(picture, rng, palette, horizon)
    elif boundary == "fence":
        _fence(picture, view, rng)
    return picture


def _sky(rng: np.random.Generator, palette: Palette, horizon: float) -> Image.Image:
    """A gradient down to the horizon, with more or less cloud before it."""
    sky = gradient(palette.sky_high, palette.sky_low, (WIDTH, max(40, int(horizon) + 20)))
    picture = Image.new("RGB", (WIDTH, HEIGHT), palette.sky_low)
    picture.paste(sky)
    cover = rng.uniform(0.2, 0.9)
    puffs = clouds(rng, rng.uniform(60, 150), 4, (2.2, 0.8))
    mask = puffs.point(lambda level: max(0.0, min(255.0, (level - 255 * (1 - cover)) * 2.2)))
    bright = surface(ImageChops.invert(puffs), (246, 246, 246), mix((150, 154, 162),
                     palette.sky_low, 0.5))  # fmt: skip
    return Image.composite(bright, picture, mask)


def _hedgerow(
    picture: Image.Image, rng: np.random.Generator, palette: Palette, horizon: float
) -> None:
    """A row of bushes and small trees where the field ends."""
    foot = horizon + rng.uniform(2, 14)
    share, tall = rng.uniform(0.3, 1.0), rng.uniform(5, 18)
    for x in range(-10, WIDTH + 10, 13):
        if rng.uniform() < share:
            colour = mix(choose(rng, palette.foliage), palette.sky_low, 0.15)
            height = tall * rng.uniform(0.5, 1.6)
            crown(picture, rng, colour, (x, foot - height * 0.7), (rng.uniform(9, 17), height))


def _way(
    picture: Image.Image, view: View, rng: np.random.Generator, palette: Palette, metalled: bool
) -> None:
    """A road or a track that leads away from the viewer."""
    start, half, bend = rng.uniform(-3, 3), rng.uniform(1.3, 2.8), rng.uniform(-0.004, 0.004)
    distances = np.geomspace(2.2, 400, 40)
    middles = start + rng.uniform(-0.06, 0.06) * distances + bend * distances**2
    left = [view.project(m - half, d) for m, d in zip(middles, distances, strict=True)]
    right = [view.project(m + half, d) for m, d in zip(middles, distances, strict=True)]
    colour = (112, 112, 116) if metalled else shade(palette.earth, 1.15)
    grit = recede(clouds(rng, 16, 3), view.horizon, 1.5)
    fill(picture, left + right[::-1], surface(grit, shade(colour, 0.75), shade(colour, 1.2)))
    if metalled:
        for edge in (left, right):
            ImageDraw.Draw(picture).line(edge, fill=shade(palette.grass[0], 1.15), width=3)


def _standing(picture: Image.Image, view: View, rng: np.random.Generator, palette: Palette) -> None:
    """Trees and buildings in the middle distance, drawn from far to near."""
    for distance in sorted(rng.uniform(14, 75, int(rng.integers(2, 6))), reverse=True):
        x = rng.uniform(-0.5, 0.5) * distance
        if rng.uniform() < 0.45:
            size = (rng.uniform(4, 8), rng.uniform(2.5, 4), rng.uniform(2.6, 5))
            house(picture, view, rng, palette, (x, distance), size)
        else:
            _tree(picture, view, rng, palette, x, float(distance))


def _tree(
    picture: Image.Image,
    view: View,
    rng: np.random.Generator,
    palette: Palette,
    x: float,
    distance: float,
) -> None:
    """A trunk with branches and a crown, more or less bare."""
    scale = view.scale(x, distance)
    foot_x, foot_y = view.project(x, distance)
    tall = scale * rng.uniform(5, 11)
    draw = ImageDraw.Draw(picture)
    bark: RGB = (74, 62, 54)
    draw.line([foot_x, foot_y, foot_x, foot_y - tall * 0.8], fill=bark,
              width=max(2, int(tall * 0.06)))  # fmt: skip
    for _ in range(9):
        fork = foot_y - tall * rng.uniform(0.3, 0.6)
        tip_x = foot_x + tall * rng.uniform(-0.35, 0.35)
        draw.line([foot_x, fork, tip_x, foot_y - tall * rng.uniform(0.6, 1.0)], fill=bark,
                  width=max(1, int(tall * 0.02)))  # fmt: skip
    if rng.uniform() < 0.85:
        radius = (tall * rng.uniform(0.28, 0.42), tall * rng.uniform(0.3, 0.38))
        centre = (foot_x, foot_y - tall * 0.66)
        crown(picture, rng, choose(rng, palette.foliage), centre, radius)


def _wall(picture: Image.Image, rng: np.random.Generator, palette: Palette, horizon: float) -> None:
    """A dry-stone wall right across the foreground."""
    upper = horizon + rng.uniform(40, 110)
    rows, tall = int(rng.integers(3, 6)), rng.uniform(13, 22)
    draw = ImageDraw.Draw(picture)
    draw.rectangle([0, upper, WIDTH, upper + rows * tall], fill=shade(palette.stone, 0.4))
    for row in range(rows):
        x = -rng.uniform(0, 40)
        while x < WIDTH:
            width = rng.uniform(1.0, 3.2) * tall
            y = upper + row * tall + rng.uniform(-2, 2)
            tone = shade(palette.stone, rng.uniform(0.7, 1.25))
            draw.rounded_rectangle([x, y, x + width - 3, y + tall - 2], 4, fill=tone)
            x += width


def _fence(picture: Image.Image, view: View, rng: np.random.Generator) -> None:
    """Posts and two or three wires that run off into the distance."""
    draw = ImageDraw.Draw(picture)
    start, slope = rng.uniform(-4, 4), rng.uniform(-1.2, 1.2)
    wood: RGB = (96, 84, 72)
    spots = [(start + slope * d, d) for d in np.arange(3.5, 60, 2.5)]
    for height in (0.4, 0.8, 1.15):
        draw.line([view.project(x, d, height) for x, d in spots], fill=shade(wood, 0.7), width=2)
    for x, d in spots:
        foot, top = view.project(x, d), view.project(x, d, 1.3)
        draw.line([foot, top], fill=wood, width=max(2, int(view.scale(x, d) * 0.13)))


def cross_far(rng: np.random.Generator) -> Image.Image:
    """Ridge behind ridge fading into haze, under a wide sky."""
    palette = draw_palette(rng)
    horizon = rng.uniform(140, 300)
    picture = _sky(rng, palette, horizon)
    count = int(rng.integers(4, 9))
    air = mix(palette.sky_low, palette.sky_high, rng.uniform(0.1, 0.6))
    rows = np.linspace(horizon, HEIGHT - rng.uniform(0, 90), count)
    for number, row in enumerate(rows):
        nearness = (number / (count - 1)) ** 1.4
        land = shade(choose(rng, (*palette.grass, *palette.foliage)), rng.uniform(0.7, 1.0))
        tone = mix(air, land, 0.12 + 0.6 * nearness)
        line = ridge_line(rng, float(row), rng.uniform(5, 20), rng.uniform(0.35, 0.55))
        grain = clouds(rng, 10 + 14 * nearness, 2, (3.0, 0.7), (320, 240)).resize(picture.size)
        fill_below(picture, line, surface(grain, shade(tone, 1 - 0.1 * nearness), tone))
        _far_specks(picture, rng, palette, line, tone, nearness)
        if rng.uniform() < 0.15:
            shine = mix(palette.sky_low, tone, 0.3)
            level = float(row) + rng.uniform(14, 30)
            fill_below(picture, [(0, level), (WIDTH, level)], shine)
    return haze(picture, palette.sky_low, rng.uniform(0.1, 0.35), rng.uniform(0.0, 0.15))


def _far_specks(
    picture: Image.Image,
    rng: np.random.Generator,
    palette: Palette,
    line: list[tuple[float, float]],
    tone: RGB,
    nearness: float,
) -> None:
    """Woods, hedges and white houses too far off to be more than specks."""
    draw = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(10, 60))):
        x, y = choose(rng, line)
        y += rng.uniform(1, 40)
        x += rng.uniform(-8, 8)
        length = rng.uniform(2, 14) * (0.4 + nearness)
        colour = mix(tone, choose(rng, palette.foliage), 0.15 + 0.5 * nearness)
        draw.ellipse([x - length, y - 1 - nearness, x + length, y + 1 + nearness], fill=colour)
        if rng.uniform() < 0.08:
            draw.rectangle([x, y - 2, x + 3, y], fill=mix(tone, (250, 250, 246), 0.6))
