"""Close Look: one surface or one small thing at arm's length, with little depth of field."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from geograph_types_trainer.scenes.finish import focus, round_mask
from geograph_types_trainer.scenes.lettering import letters
from geograph_types_trainer.scenes.palette import (
    Palette,
    any_colour,
    choose,
    draw_palette,
    mix,
    shade,
    vary,
)
from geograph_types_trainer.scenes.texture import HEIGHT, WIDTH, Point, blob, clouds, fill, surface


def close_look(rng: np.random.Generator) -> Image.Image:
    """Bark, lichen on stone, bricks, a flower, a plate on a wall, or leaves on the ground."""
    palette = draw_palette(rng)
    picture = choose(rng, _SUBJECTS)(rng, palette)
    centre = (WIDTH * rng.uniform(0.35, 0.65), HEIGHT * rng.uniform(0.35, 0.65))
    return focus(picture, round_mask(centre, rng.uniform(190, 420)), rng.uniform(3, 9))


def _bark(rng: np.random.Generator, palette: Palette) -> Image.Image:
    """Upright ridges with dark cracks between, and moss."""
    cracks = clouds(rng, rng.uniform(60, 110), 3, (0.7, 5.0))
    deep = cracks.point(lambda level: 255 - min(255, abs(level - 128) * 9))
    colour = mix(palette.earth, palette.stone, rng.uniform(0, 0.7))
    picture = surface(clouds(rng, 30, 4, (0.7, 3.0)), shade(colour, 0.55), shade(colour, 1.25))
    picture.paste(shade(colour, 0.25), (0, 0), deep)
    moss = clouds(rng, 150, 4).point(lambda level: max(0, level - 160) * 2)
    picture.paste(vary(rng, palette.grass[0]), (0, 0), moss)
    return picture


def _lichen(rng: np.random.Generator, palette: Palette) -> Image.Image:
    """Grained stone with round pale patches, and a crack."""
    stone = palette.stone
    picture = surface(clouds(rng, 50, 6), shade(stone, 0.6), shade(stone, 1.2))
    speckle = clouds(rng, 5, 2)
    for _ in range(int(rng.integers(8, 26))):
        tone = choose(rng, ((206, 206, 186), (196, 160, 60), (150, 160, 130), (60, 60, 58)))
        centre = (rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT))
        radius = rng.uniform(12, 80)
        patch = surface(speckle, shade(tone, 0.75), shade(tone, 1.1))
        fill(picture, blob(rng, centre, (radius, radius), 0.22, 24), patch)
        if radius > 35:
            fill(picture, blob(rng, centre, (radius * 0.5, radius * 0.5), 0.3, 18),
                 surface(speckle, shade(stone, 0.6), shade(tone, 0.9)))  # fmt: skip
    across = np.linspace(0, WIDTH, 30)
    down = rng.uniform(0, HEIGHT) + np.cumsum(rng.normal(0, 12, 30))
    crack = list(zip(across.tolist(), down.tolist(), strict=True))
    ImageDraw.Draw(picture).line(crack, fill=shade(stone, 0.25), width=int(rng.integers(2, 7)))
    return picture


def _bricks(rng: np.random.Generator, palette: Palette) -> Image.Image:
    """A wall in running bond that fills the picture, perhaps askew."""
    tall = rng.uniform(48, 90)
    brick = choose(rng, ((158, 82, 60), (176, 120, 84), palette.stone))
    grain = clouds(rng, 20, 5)
    mortar = mix(palette.stone, (190, 184, 172), 0.5)
    picture = surface(grain, shade(mortar, 0.75), shade(mortar, 1.1))
    tones = [shade(brick, factor) for factor in (0.75, 0.9, 1.0, 1.15)]
    surfaces = [surface(grain, shade(tone, 0.7), shade(tone, 1.15)) for tone in tones]
    for row in range(-1, int(HEIGHT / tall) + 2):
        for column in range(-1, int(WIDTH / tall / 2.6) + 2):
            x = (column + 0.5 * (row % 2)) * tall * 2.6
            y = row * tall
            inset = tall * 0.1
            right, lower = x + 2.6 * tall - inset, y + tall - inset
            corners = ((x, y), (right, y), (right, lower), (x, lower))
            worn = [(a + rng.normal(0, 2), b + rng.normal(0, 2)) for a, b in corners]
            fill(picture, worn, choose(rng, surfaces))
    angle = float(rng.normal(0, 4))
    return picture.rotate(angle, Image.Resampling.BILINEAR, fillcolor=mortar)


def _flower(rng: np.random.Generator, palette: Palette) -> Image.Image:
    """Petals before a background far out of focus."""
    backdrop = surface(clouds(rng, 120, 2), shade(palette.foliage[0], 0.6), palette.grass[0])
    draw = ImageDraw.Draw(backdrop)
    for _ in range(18):
        x, y, radius = rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT), rng.uniform(15, 60)
        tone = mix(choose(rng, palette.grass), palette.sky_low, rng.uniform(0, 0.5))
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=tone)
    picture = backdrop.filter(ImageFilter.GaussianBlur(14))
    petal = any_colour(rng, 90, 250)
    for _ in range(int(rng.integers(1, 4))):
        centre = (WIDTH * rng.uniform(0.25, 0.75), HEIGHT * rng.uniform(0.25, 0.75))
        size = rng.uniform(70, 190)
        stem = [*centre, centre[0] + rng.uniform(-80, 80), HEIGHT + 10.0]
        ImageDraw.Draw(picture).line(stem, fill=palette.foliage[1], width=int(size / 12))
        _petals(picture, rng, centre, size, petal)
    return picture


def _petals(
    picture: Image.Image,
    rng: np.random.Generator,
    centre: Point,
    size: float,
    colour: tuple[int, int, int],
) -> None:
    count, start = int(rng.integers(5, 15)), rng.uniform(0, 1)
    for turn in (np.arange(count) / count + start) * 2 * np.pi:
        along = np.array([np.cos(turn), np.sin(turn) * 0.85]) * size
        aside = np.array([-along[1], along[0]]) * (1.7 / count)
        shape = [(0.1, 0), (0.5, 0.8), (0.85, 0.7), (1, 0), (0.85, -0.7), (0.5, -0.8)]
        outline = [tuple(centre + along * a + aside * b) for a, b in shape]
        fill(picture, outline, shade(colour, rng.uniform(0.75, 1.15)))
        tip = (centre + along * 0.9).tolist()
        ImageDraw.Draw(picture).line([*centre, *tip], fill=shade(colour, 0.6), width=2)
    heart = size * 0.2
    fill(picture, blob(rng, centre, (heart, heart), 0.1, 20), (204, 164, 40))


def _plate(rng: np.random.Generator, palette: Palette) -> Image.Image:
    """A metal plate with large raised letters, bolted to stone or wood."""
    picture = surface(clouds(rng, 40, 5, choose(rng, ((1.0, 1.0), (4.0, 0.6)))),
                      shade(palette.stone, 0.55), shade(palette.stone, 1.15))  # fmt: skip
    metal = choose(rng, ((52, 62, 58), (150, 120, 70), (176, 178, 180), (40, 60, 110)))
    wide, tall = rng.uniform(170, 270), rng.uniform(110, 190)
    x, y = WIDTH / 2 + rng.normal(0, 20), HEIGHT / 2 + rng.normal(0, 20)
    draw = ImageDraw.Draw(picture)
    for grow, tone in ((8, shade(metal, 0.4)), (0, metal), (-8, shade(metal, 1.3)), (-12, metal)):
        box = (x - wide - grow, y - tall - grow, x + wide + grow, y + tall + grow)
        draw.rounded_rectangle(box, 14, fill=tone)
    for across in (-1, 1):
        for down in (-1, 1):
            u, v = x + across * (wide - 26), y + down * (tall - 26)
            draw.ellipse([u - 8, v - 8, u + 8, v + 8], fill=shade(metal, 0.6))
    rows = int(rng.integers(2, 4))
    height = 1.3 * tall / rows
    for row in range(rows):
        level = y - tall * 0.75 + row * height * 1.15
        for shift, tone in ((3, shade(metal, 0.4)), (0, shade(metal, 1.9))):
            letters(picture, np.random.default_rng(row), (x - wide * 0.8 + shift, level + shift),
                    wide * 1.6, height * 0.75, tone, 0.16)  # fmt: skip
    wear = clouds(rng, 30, 5).point(lambda level: max(0, level - 120))
    picture.paste(shade(palette.earth, 0.8), (0, 0), wear)
    return picture.rotate(float(rng.normal(0, 5)), Image.Resampling.BILINEAR)


def _litter(rng: np.random.Generator, palette: Palette) -> Image.Image:
    """Leaves or pebbles, each over the last, that fill the picture."""
    picture = surface(clouds(rng, 40), shade(palette.earth, 0.3), shade(palette.earth, 0.8))
    pebbles = rng.uniform() < 0.5
    colours = (palette.stone, palette.earth, palette.roof) if pebbles else palette.foliage
    draw = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(90, 200))):
        x, y, size = rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT), rng.uniform(22, 60)
        tone = shade(choose(rng, colours), rng.uniform(0.7, 1.5))
        flat = rng.uniform(0.6, 1.0) if pebbles else rng.uniform(0.3, 0.6)
        turn = rng.uniform(0, 2 * np.pi)
        around = np.linspace(0, 2 * np.pi, 16)
        along, aside = np.cos(around) * size, np.sin(around) * size * flat
        xs = x + along * np.cos(turn) - aside * np.sin(turn)
        ys = y + along * np.sin(turn) + aside * np.cos(turn)
        outline = np.column_stack([xs, ys])
        draw.polygon((outline + 6).ravel().tolist(), fill=shade(tone, 0.3))
        draw.polygon(outline.ravel().tolist(), fill=tone)
        lit = (outline - (x, y)) * 0.6 + (x - size * 0.1, y - size * 0.12)
        if pebbles:
            draw.polygon(lit.ravel().tolist(), fill=shade(tone, 1.15))
        else:
            draw.line([*outline[0], *outline[8]], fill=shade(tone, 0.6), width=3)
    return picture


_SUBJECTS: tuple[Callable[[np.random.Generator, Palette], Image.Image], ...] = (
    _bark,
    _lichen,
    _bricks,
    _flower,
    _plate,
    _litter,
)
