"""Aerial and From Drone: the ground seen from an aircraft and from just above the roofs."""

import numpy as np
from PIL import Image, ImageDraw

from geograph_types_trainer.scenes.finish import haze
from geograph_types_trainer.scenes.palette import (
    Palette,
    any_colour,
    choose,
    draw_palette,
    mix,
    shade,
    vary,
)
from geograph_types_trainer.scenes.texture import (
    HEIGHT,
    SIZE,
    WIDTH,
    Point,
    blob,
    clouds,
    fill,
    gradient,
    surface,
)
from geograph_types_trainer.scenes.view import View, crown, house, look_down, tree_from_above


def aerial(rng: np.random.Generator) -> Image.Image:
    """A patchwork of fields, woods, lanes, a river and hamlets from high above."""
    palette = draw_palette(rng)
    view = look_down(rng, 10.0, choose(rng, ((32.0, 45.0), (45.0, 90.0))))
    picture = surface(clouds(rng, 40), shade(palette.grass[0], 0.8), palette.grass[0])
    _fields(picture, view, rng, palette)
    for _ in range(int(rng.integers(2, 7))):
        _wood(picture, view, rng, palette, _somewhere(rng, 7), rng.uniform(0.3, 1.3))
    if rng.uniform() < 0.5:
        water = mix((70, 92, 110), palette.sky_low, rng.uniform(0, 0.6))
        _lane(picture, view, rng, water, rng.uniform(0.15, 0.5), 0.35)
    for _ in range(int(rng.integers(1, 4))):
        _lane(picture, view, rng, mix(palette.stone, (190, 186, 178), 0.5), 0.05, 0.15)
    for _ in range(int(rng.integers(1, 5))):
        _hamlet(picture, view, rng, palette, _somewhere(rng, 5))
    if view.horizon > 0:
        fill(picture, [(0, 0), (WIDTH, 0), (WIDTH, view.horizon), (0, view.horizon)],
             palette.sky_low)  # fmt: skip
    return haze(picture, palette.sky_low, rng.uniform(0.05, 0.5), rng.uniform(0.0, 0.2))


def _somewhere(rng: np.random.Generator, spread: float) -> Point:
    x, y = rng.uniform(-spread, spread, 2)
    return float(x), float(y)


def _fields(picture: Image.Image, view: View, rng: np.random.Generator, palette: Palette) -> None:
    """Quadrilateral fields between bent rows of corners, some ploughed, all hedged."""
    count, pitch = 15, rng.uniform(1.3, 2.2)
    steps = (np.arange(count) - (count - 1) / 2) * pitch
    east, north = np.meshgrid(steps, steps)
    east = east + rng.uniform(-0.36, 0.36, east.shape) * pitch
    north = north + rng.uniform(-0.36, 0.36, east.shape) * pitch
    mottle = clouds(rng, 24)
    crops = (*palette.grass[1:], palette.earth, (176, 166, 92))
    surfaces = [surface(mottle, shade(c, 0.82), shade(c, 1.1)) for c in crops]
    draw = ImageDraw.Draw(picture)
    hedge = shade(palette.foliage[0], 0.75)
    for row in range(count - 1):
        for column in range(count - 1):
            cells = [(row, column), (row, column + 1), (row + 1, column + 1), (row + 1, column)]
            corners = [(float(east[cell]), float(north[cell])) for cell in cells]
            outline = view.outline(corners)
            if _off_picture(outline):
                continue
            fill(picture, outline, choose(rng, surfaces))
            if rng.uniform() < 0.35:
                _furrows(draw, outline, rng)
            if rng.uniform() < 0.8:
                draw.line([*outline, outline[0]], fill=hedge, width=int(rng.integers(1, 4)))


def _off_picture(outline: list[Point]) -> bool:
    xs, ys = zip(*outline, strict=True)
    beside = max(xs) < 0 or min(xs) > WIDTH or max(ys) < 0 or min(ys) > HEIGHT
    too_near = max(xs) - min(xs) > 3 * WIDTH
    return bool(beside or too_near)


def _furrows(draw: ImageDraw.ImageDraw, outline: list[Point], rng: np.random.Generator) -> None:
    """Tramlines from one edge of a field to the opposite one."""
    first, second, third, fourth = (np.array(corner) for corner in outline)
    tone = choose(rng, ((96, 78, 56), (196, 184, 124), (70, 92, 48)))
    for share in np.linspace(0.1, 0.9, int(rng.integers(5, 13))):
        start, end = first + (second - first) * share, fourth + (third - fourth) * share
        draw.line([*start.tolist(), *end.tolist()], fill=tone, width=1)


def _lane(
    picture: Image.Image,
    view: View,
    rng: np.random.Generator,
    colour: tuple[int, int, int],
    width: float,
    bend: float,
) -> None:
    """A winding strip, road or river, right across the ground."""
    along = np.linspace(-12, 12, 49)
    across = rng.uniform(-4, 4) + np.cumsum(np.cumsum(rng.normal(0, bend * 0.12, 49)))
    turn = rng.uniform(0, 2 * np.pi)
    x = along * np.cos(turn) - across * np.sin(turn)
    y = along * np.sin(turn) + across * np.cos(turn)
    pixels = max(2, round(view.scale(0.0, 0.0) * width))
    line = [view.project(a, b) for a, b in zip(x.tolist(), y.tolist(), strict=True)]
    ImageDraw.Draw(picture).line(line, fill=colour, width=pixels, joint="curve")


def _wood(
    picture: Image.Image,
    view: View,
    rng: np.random.Generator,
    palette: Palette,
    place: Point,
    radius: float,
) -> None:
    """Small crowns close together, over the dark of the wood's floor."""
    outline = blob(rng, place, (radius, radius * rng.uniform(0.4, 1.0)), 0.35)
    floor = shade(palette.foliage[1], 0.6)
    fill(picture, view.outline(outline), floor)
    draw = ImageDraw.Draw(picture)
    for _ in range(int(90 * radius)):
        first, second = choose(rng, outline), choose(rng, outline)
        share = rng.uniform()
        x, y = (a + (b - a) * share for a, b in zip(first, second, strict=True))
        u, v = view.project(x, y)
        size = view.scale(x, y) * rng.uniform(0.03, 0.07)
        tone = shade(choose(rng, palette.foliage), rng.uniform(0.7, 1.3))
        draw.ellipse([u - size, v - size, u + size, v + size], fill=tone)


def _hamlet(
    picture: Image.Image, view: View, rng: np.random.Generator, palette: Palette, place: Point
) -> None:
    for _ in range(int(rng.integers(3, 14))):
        x, y = place[0] + rng.normal(0, 0.5), place[1] + rng.normal(0, 0.5)
        size = (rng.uniform(0.05, 0.11), rng.uniform(0.03, 0.06), 0.04)
        house(picture, view, rng, palette, (x, y), size)


def from_drone(rng: np.random.Generator) -> Image.Image:
    """Roofs, gardens, a road with cars and the crowns of trees from low above; units: metres."""
    palette = draw_palette(rng)
    view = look_down(rng, rng.uniform(32.0, 60.0), choose(rng, ((24.0, 45.0), (45.0, 90.0))))
    lawn = choose(rng, palette.grass)
    picture = surface(clouds(rng, 30, 5), shade(lawn, 0.72), shade(lawn, 1.15))
    lane = rng.uniform(-14, 14)
    for side in (-1, 1):
        _plots(picture, view, rng, palette, lane + side * 4.5, side)
    _street(picture, view, rng, lane)
    places = [
        (float(x), float(lane + side * rng.uniform(11, 16)), True)
        for side in (-1, 1)
        for x in np.arange(-60, 61, rng.uniform(15, 26)) + rng.uniform(-8, 8)
        if rng.uniform() < 0.75
    ]
    places += [
        (float(x), float(y), False)
        for x, y in rng.uniform(-48, 48, (int(rng.integers(8, 30)), 2))
        if abs(y - lane) > 7
    ]
    for x, y, built in sorted(places, key=lambda p: view.depth(p[0], p[1]), reverse=True):
        if built:
            size = (rng.uniform(4.5, 8), rng.uniform(3, 4.5), rng.uniform(2.8, 5))
            house(picture, view, rng, palette, (x, y), size)
        else:
            tree_from_above(picture, view, rng, palette, (x, y), rng.uniform(1.5, 5))
    if view.horizon > 0:
        _skyline(picture, view, rng, palette)
    return picture


def _plots(
    picture: Image.Image,
    view: View,
    rng: np.random.Generator,
    palette: Palette,
    front: float,
    side: int,
) -> None:
    """Gardens in a row beside the street: lawn, paving or soil, with hedges between."""
    draw = ImageDraw.Draw(picture)
    left = -70.0
    while left < 70:
        right, back = left + rng.uniform(12, 24), front + side * rng.uniform(26, 40)
        corners = [(left, front), (right, front), (right, back), (left, back)]
        outline = view.outline(corners)
        if not _off_picture(outline):
            ground = choose(rng, (*palette.grass, palette.earth, palette.stone))
            noise = clouds(rng, 12, 2, size=(160, 120)).resize(SIZE)
            fill(picture, outline, surface(noise, shade(ground, 0.8), shade(ground, 1.12)))
            fence = choose(rng, (shade(palette.foliage[0], 0.7), shade(palette.stone, 0.8)))
            draw.line([*outline, outline[0]], fill=fence, width=int(rng.integers(2, 6)))
        left = right


def _street(picture: Image.Image, view: View, rng: np.random.Generator, lane: float) -> None:
    """Tarmac with pavements, a broken line and cars."""
    tarmac = vary(rng, (104, 104, 108))
    for width, colour in ((4.5, shade(tarmac, 1.5)), (3.2, tarmac)):
        strip = [(-90, lane - width), (90, lane - width), (90, lane + width), (-90, lane + width)]
        fill(picture, view.outline([(float(x), float(y)) for x, y in strip]), colour)
    for start in range(-60, 61, 6):
        dash = [(start, -0.12), (start + 3, -0.12), (start + 3, 0.12), (start, 0.12)]
        fill(picture, view.outline([(x, lane + y) for x, y in dash]), (226, 226, 220))
    for _ in range(int(rng.integers(2, 8))):
        _car(picture, view, rng, rng.uniform(-40, 40), lane + choose(rng, (-1.7, 1.7)))


def _car(picture: Image.Image, view: View, rng: np.random.Generator, x: float, y: float) -> None:
    paint = any_colour(rng, 20, 245)
    layers = ((2.2, 0.95, 0.2, (28, 28, 30)), (2.1, 0.9, 0.9, paint), (1.2, 0.8, 1.0, (36, 42, 50)),
              (0.8, 0.72, 1.45, shade(paint, 1.1)))  # fmt: skip
    for length, width, height, colour in layers:
        corners = [(x - length, y - width), (x + length, y - width), (x + length, y + width),
                   (x - length, y + width)]  # fmt: skip
        fill(picture, view.outline(corners, height), colour)


def _skyline(picture: Image.Image, view: View, rng: np.random.Generator, palette: Palette) -> None:
    """A sliver of sky over far trees."""
    sky = gradient(palette.sky_high, palette.sky_low)
    fill(picture, [(0, 0), (WIDTH, 0), (WIDTH, view.horizon), (0, view.horizon)], sky)
    for x in range(0, WIDTH + 20, 16):
        tone = mix(choose(rng, palette.foliage), palette.sky_low, 0.3)
        radius = (rng.uniform(10, 22), rng.uniform(6, 14))
        crown(picture, rng, tone, (x, view.horizon + 4), radius)
