"""Aerial and From Drone: the ground seen from an aircraft and from just above the roofs."""

import numpy as np
from PIL import Image

from geograph_types_trainer.scenes.camera import haze
from geograph_types_trainer.scenes.canvas import HEIGHT, WIDTH, Canvas, surface
from geograph_types_trainer.scenes.palette import mix, shade, vary
from geograph_types_trainer.scenes.view import View, house, rectangle


def aerial(canvas: Canvas) -> Image.Image:
    """Paint a patchwork of fields, woods, a river, lanes and hamlets from high above."""
    rng = canvas.rng
    view = View.down(canvas, 10.0)
    _fields(canvas, view)
    speckle = canvas.clouds(8, 2)
    for _ in canvas.several(2, 7):
        wood = canvas.blob((rng.uniform(-7, 7), rng.uniform(-7, 7)), (1.0, 0.6), 0.35)
        canvas.fill(view.outline(wood), surface(speckle, canvas.foliage[0], 0.4, 1.4))
    water, lane = mix((70, 92, 110), canvas.haze, 0.3), mix(canvas.stone, (190, 186, 178), 0.5)
    for colour, width in ((water, int(rng.integers(4, 16))), (lane, 3), (lane, 2)):
        line = canvas.ridge(rng.uniform(0.5, 1.0) * HEIGHT, rng.uniform(10, 30))
        canvas.draw.line(line, fill=colour, width=width, joint="curve")
    for x, y in rng.uniform(-5, 5, (int(rng.integers(1, 5)), 2)):
        for a, b in rng.normal((x, y), 0.5, (8, 2)).tolist():
            house(canvas, view, (a, b), 0.013)
    canvas.draw.rectangle([0, 0, WIDTH, max(view.horizon, 0)], fill=canvas.haze)
    return haze(canvas.picture, canvas.haze, rng.uniform(0.05, 0.5), rng.uniform(0.0, 0.2))


def _fields(canvas: Canvas, view: View) -> None:
    """Paint fields between bent rows of corners, most of them hedged."""
    rng, count, hedge = canvas.rng, 13, shade(canvas.foliage[0], 0.75)
    grid = np.stack(np.meshgrid(np.arange(count), np.arange(count)), axis=-1) - (count - 1) / 2
    grid = (grid + rng.uniform(-0.36, 0.36, grid.shape)) * rng.uniform(1.4, 2.2)
    mottle = canvas.clouds(24)
    crops = (*canvas.grass, canvas.earth, (176, 166, 92))
    surfaces = [surface(mottle, crop, 0.78, 1.12) for crop in crops]
    canvas.picture.paste(surfaces[0])
    for row, column in np.ndindex(count - 1, count - 1):
        square = grid[row : row + 2, column : column + 2].reshape(4, 2)[[0, 1, 3, 2]].tolist()
        outline = view.outline([(x, y) for x, y in square])
        xs, ys = zip(*outline, strict=True)
        if max(xs) > 0 and min(xs) < WIDTH and max(ys) > 0 and min(ys) < HEIGHT:
            canvas.fill(outline, canvas.choose(*surfaces))
            if canvas.chance(0.8):
                canvas.draw.line([*outline, outline[0]], fill=hedge, width=int(rng.integers(1, 4)))


def from_drone(canvas: Canvas) -> Image.Image:
    """Paint roofs, lawns, a road with cars and crowns from low above; units are metres."""
    rng = canvas.rng
    view = View.down(canvas, rng.uniform(32.0, 60.0))
    lawn = canvas.choose(*canvas.grass)
    canvas.picture.paste(surface(canvas.clouds(30, 5), lawn, 0.72, 1.15))
    lane = rng.uniform(-14, 14)
    _street(canvas, view, lane)
    houses = [
        (x, lane + side * rng.uniform(11, 16))
        for side in (-1, 1)
        for x in np.arange(-60, 61, rng.uniform(17, 26)) + rng.uniform(-8, 8)
    ]
    trees = [(x, y) for x, y in rng.uniform(-48, 48, (20, 2)) if abs(y - lane) > 7]
    for place in sorted(houses + trees, key=lambda spot: view.depth(*spot), reverse=True):
        if place in houses:
            house(canvas, view, place, 1.0)
            continue
        (x, y), size = view.project(*place), view.scale(*place) * rng.uniform(1.5, 5)
        canvas.fill(canvas.blob((x + size / 2, y + size / 2), (size, size), 0.1), (30, 36, 30))
        canvas.crown(canvas.choose(*canvas.foliage), (x, y), (size, size * 0.9))
    canvas.draw.rectangle([0, 0, WIDTH, max(view.horizon, 0)], fill=canvas.haze)
    return canvas.picture


def _street(canvas: Canvas, view: View, lane: float) -> None:
    """Paint tarmac with pavements, a broken line and cars."""
    rng, tarmac = canvas.rng, vary(canvas.rng, (104, 104, 108))
    for width, colour in ((4.5, shade(tarmac, 1.5)), (3.2, tarmac)):
        canvas.fill(view.outline(rectangle((0.0, lane), 90.0, width)), colour)
    for x in range(-60, 61, 6):
        canvas.fill(view.outline(rectangle((x, lane), 1.5, 0.12)), (226, 226, 220))
    for _ in canvas.several(2, 7):
        place = (rng.uniform(-40, 40), lane + canvas.choose(-1.7, 1.7))
        canvas.fill(view.outline(rectangle(place, 2.2, 0.95), 0.2), (28, 28, 30))
        canvas.fill(view.outline(rectangle(place, 2.1, 0.9), 0.9), canvas.any_colour())
        canvas.fill(view.outline(rectangle(place, 1.2, 0.8), 1.4), (36, 42, 50))
