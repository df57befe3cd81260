"""Geograph and Cross Far: the landscape from where a walker stands, near and far."""

import numpy as np
from PIL import Image, ImageOps

from geograph_types_trainer.scenes.camera import haze
from geograph_types_trainer.scenes.canvas import HEIGHT, SIZE, WIDTH, Canvas, surface
from geograph_types_trainer.scenes.palette import mix, shade
from geograph_types_trainer.scenes.view import View, house


def geograph(canvas: Canvas) -> Image.Image:
    """Paint an ordinary view: ground at the feet, things in the middle distance, sky."""
    rng = canvas.rng
    view = View(1.7, float(np.radians(rng.uniform(-4, 5))))
    horizon = view.horizon
    _sky(canvas)
    hills = canvas.ridge(horizon - rng.uniform(4, 40), rng.uniform(4, 26))
    canvas.fill_below(hills, mix(canvas.grass[1], canvas.haze, rng.uniform(0.15, 0.5)))
    turf = canvas.choose(*canvas.grass, canvas.earth)
    noise = _receding(canvas.clouds(40, 5, (1.8, 1.0)), horizon, rng.uniform(1.2, 2.2))
    canvas.fill_below([(0, horizon), (WIDTH, horizon)], surface(noise, turf, 0.55, 1.25))
    share = rng.uniform(0.3, 1.0)
    for along in range(-10, WIDTH + 10, 16):
        if canvas.chance(share):
            bush = mix(canvas.choose(*canvas.foliage), canvas.haze, 0.15)
            canvas.crown(bush, (along, horizon + 2), (rng.uniform(9, 18), rng.uniform(4, 18)))
    if canvas.chance(0.65):
        way, (near, far) = canvas.choose((112, 112, 116), canvas.earth), rng.uniform(0, WIDTH, 2)
        road = [(near, HEIGHT), (near + 320.0, HEIGHT), (far + 4.0, horizon), (far, horizon)]
        canvas.fill(road, surface(noise, way, 0.8, 1.2))
    for distance in sorted(rng.uniform(14, 75, int(rng.integers(2, 6))), reverse=True):
        place = (rng.uniform(-0.5, 0.5) * distance, distance)
        if canvas.chance(0.45):
            house(canvas, view, place, 1.0)
            continue
        (x, foot), tall = view.project(*place), view.scale(*place) * rng.uniform(5, 11)
        trunk = [x, foot, x, foot - tall * 0.8]
        canvas.draw.line(trunk, fill=(74, 62, 54), width=max(2, int(tall * 0.06)))
        leaves = canvas.choose(*canvas.foliage)
        canvas.crown(leaves, (x, foot - tall * 0.66), (tall * rng.uniform(0.28, 0.42), tall * 0.34))
    return canvas.picture


def _sky(canvas: Canvas) -> None:
    """Paint a gradient with more or less cloud before it."""
    rng = canvas.rng
    down = Image.linear_gradient("L").resize(SIZE)
    canvas.picture.paste(ImageOps.colorize(down, canvas.zenith, canvas.haze))
    puffs, clear = canvas.clouds(rng.uniform(60, 150), 4, (2.2, 0.8)), 255 * rng.uniform(0.1, 0.8)
    cover = puffs.point([max(0, min(255, round((level - clear) * 2.2))) for level in range(256)])
    grey = mix((150, 154, 162), canvas.haze, 0.5)
    canvas.picture.paste(surface(puffs, grey, 1.6, 1.0), mask=cover)


def _receding(noise: Image.Image, horizon: float, near: float) -> Image.Image:
    """Lay noise on the ground: fine at the horizon, `near` times as coarse at the lower edge."""
    depth = (HEIGHT - horizon) / np.maximum(np.arange(HEIGHT) - horizon, 3.0)
    columns = ((np.arange(WIDTH) - WIDTH / 2) * depth[:, None] / near).astype(int)
    rows = (depth[:, None] * (HEIGHT / near)).astype(int)
    return Image.fromarray(np.asarray(noise)[rows % HEIGHT, columns % WIDTH])


def cross_far(canvas: Canvas) -> Image.Image:
    """Paint ridge behind ridge fading into haze, under a wide sky."""
    rng = canvas.rng
    _sky(canvas)
    horizon, count = rng.uniform(140, 300), int(rng.integers(4, 9))
    air = mix(canvas.haze, canvas.zenith, rng.uniform(0.1, 0.6))
    for number, row in enumerate(np.linspace(horizon, HEIGHT - rng.uniform(0, 90), count)):
        nearness = (number / (count - 1)) ** 1.4
        land = shade(canvas.choose(*canvas.grass, *canvas.foliage), rng.uniform(0.7, 1.0))
        tone = mix(air, land, 0.12 + 0.6 * nearness)
        line = canvas.ridge(row, rng.uniform(5, 20))
        canvas.fill_below(line, tone)
        for _ in canvas.several(10, 60):  # woods and hedges, too far off to be more than specks
            x, y = np.add(canvas.choose(*line), (0, rng.uniform(1, 40)))
            length = rng.uniform(2, 14) * (0.4 + nearness)
            speck = mix(tone, canvas.choose(*canvas.foliage), 0.15 + 0.5 * nearness)
            canvas.draw.ellipse([x - length, y - 1, x + length, y + 1 + nearness], fill=speck)
    return haze(canvas.picture, canvas.haze, rng.uniform(0.1, 0.35), rng.uniform(0.0, 0.15))
