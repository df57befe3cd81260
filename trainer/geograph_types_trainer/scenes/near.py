"""Close Look: one surface or one small thing at arm's length, with little depth of field."""

import numpy as np
from PIL import Image, ImageFilter

from geograph_types_trainer.scenes.camera import focus
from geograph_types_trainer.scenes.canvas import HEIGHT, WIDTH, Canvas, surface
from geograph_types_trainer.scenes.palette import mix, shade


def close_look(canvas: Canvas) -> Image.Image:
    """Paint lichen on stone, bricks or flowers."""
    rng = canvas.rng
    canvas.choose(_lichen, _bricks, _flowers)(canvas)
    centre = (WIDTH * rng.uniform(0.35, 0.65), HEIGHT * rng.uniform(0.35, 0.65))
    return focus(canvas.picture, centre, rng.uniform(190, 420), rng.uniform(3, 9))


def _lichen(canvas: Canvas) -> None:
    """Paint grained stone with round pale patches, and a crack."""
    rng, stone = canvas.rng, canvas.stone
    canvas.picture.paste(surface(canvas.clouds(50, 6), stone, 0.6, 1.2))
    speckle = canvas.clouds(5, 2)
    for radius in rng.uniform(12, 80, int(rng.integers(8, 26))):
        tone = canvas.choose((206, 206, 186), (196, 160, 60), (150, 160, 130), (60, 60, 58))
        patch = canvas.blob(canvas.spot(), (radius, radius), 0.22, 24)
        canvas.fill(patch, surface(speckle, tone, 0.75, 1.1))
    crack = canvas.ridge(rng.uniform(0, HEIGHT), 60)
    canvas.draw.line(crack, fill=shade(stone, 0.25), width=int(rng.integers(2, 7)))


def _bricks(canvas: Canvas) -> None:
    """Paint a wall in running bond that fills the picture."""
    rng, stone = canvas.rng, canvas.stone
    tall, grain, slope = rng.uniform(48, 90), canvas.clouds(20, 5), rng.normal(0, 0.06)
    brick = canvas.choose((158, 82, 60), (176, 120, 84), stone)
    canvas.picture.paste(surface(grain, mix(stone, (190, 184, 172), 0.5), 0.75, 1.1))
    surfaces = [surface(grain, brick, tone * 0.7, tone * 1.15) for tone in (0.75, 0.9, 1.0, 1.15)]
    for row, column in np.ndindex(int(HEIGHT / tall) + 4, int(WIDTH / tall / 2.6) + 3):
        x, y = (column - 1 + 0.5 * (row % 2)) * 2.6, row - 1.5
        corners = np.array([(x, y), (x + 2.5, y), (x + 2.5, y + 0.9), (x, y + 0.9)]) * tall
        corners += rng.normal(0, 2, (4, 2)) + corners[:, ::-1] * (-slope, slope)
        canvas.fill([(a, b) for a, b in corners.tolist()], canvas.choose(*surfaces))


def _flowers(canvas: Canvas) -> None:
    """Paint petals before a background far out of focus."""
    rng = canvas.rng
    canvas.picture.paste(surface(canvas.clouds(120, 2), canvas.grass[0], 0.5, 1.0))
    for radius in rng.uniform(15, 60, 18):
        tone = mix(canvas.choose(*canvas.grass), canvas.haze, rng.uniform(0, 0.5))
        canvas.draw.circle(canvas.spot(), radius, fill=tone)
    canvas.picture = canvas.picture.filter(ImageFilter.GaussianBlur(14))
    draw, petal, around = canvas.draw, canvas.any_colour(), np.linspace(0, 2 * np.pi, 16)
    for _ in canvas.several(1, 3):
        x, y = WIDTH * rng.uniform(0.25, 0.75), HEIGHT * rng.uniform(0.25, 0.75)
        size, count = rng.uniform(70, 190), int(rng.integers(5, 15))
        stem = [x, y, x + rng.uniform(-80, 80), HEIGHT]
        draw.line(stem, fill=canvas.foliage[1], width=int(size / 12))
        for turn in np.arange(count) * (2 * np.pi / count):
            along, aside = size * (1 + np.cos(around)) / 2, size * np.sin(around) * 1.2 / count
            across = x + along * np.cos(turn) - aside * np.sin(turn)
            down = y + along * np.sin(turn) + aside * np.cos(turn)
            outline = np.column_stack([across, down]).ravel().tolist()
            draw.polygon(outline, fill=shade(petal, rng.uniform(0.7, 1.15)))
        draw.circle((x, y), size * 0.2, fill=(204, 164, 40))
