"""Extra: what is not a view of the ground, such as maps, documents, posters and old prints."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from geograph_types_trainer.scenes.lettering import letters
from geograph_types_trainer.scenes.palette import RGB, any_colour, choose, shade, vary
from geograph_types_trainer.scenes.texture import (
    HEIGHT,
    SIZE,
    WIDTH,
    blob,
    clouds,
    ridge_line,
    surface,
)


def extra(rng: np.random.Generator) -> Image.Image:
    """A map, a page, a poster, a diagram or an old print, flat or on a table."""
    tone = choose(rng, ((246, 244, 236), (232, 220, 190), (214, 196, 158), (226, 232, 236)))
    sheet = surface(clouds(rng, 160, 4), shade(tone, 0.9), tone)
    choose(rng, _SHEETS)(sheet, rng)
    if rng.uniform() < 0.4:
        return sheet
    return _on_table(sheet, rng)


def _on_table(sheet: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The sheet as a photograph shows it: a little smaller, turned, with its shadow."""
    wood = shade(choose(rng, ((120, 88, 60), (70, 72, 78), (160, 150, 136))), rng.uniform(0.6, 1.2))
    table = surface(clouds(rng, 50, 4, (6.0, 0.5)), shade(wood, 0.75), shade(wood, 1.1))
    share = rng.uniform(0.74, 0.97)
    small = sheet.resize((int(WIDTH * share), int(HEIGHT * share)), Image.Resampling.BILINEAR)
    turn = float(rng.normal(0, 5))
    solid = Image.new("L", small.size, 255).rotate(turn, expand=True)
    turned = small.rotate(turn, Image.Resampling.BILINEAR, expand=True)
    x = (WIDTH - turned.width) // 2 + int(rng.normal(0, 10))
    y = (HEIGHT - turned.height) // 2 + int(rng.normal(0, 8))
    table.paste(shade(wood, 0.35), (x + 7, y + 7), solid)
    table.paste(turned, (x, y), solid)
    return table


def _map(sheet: Image.Image, rng: np.random.Generator) -> None:
    """Contours, woods, water, roads with casings, a grid and names."""
    draw = ImageDraw.Draw(sheet)
    for _ in range(int(rng.integers(2, 7))):
        centre = (rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT))
        area = blob(rng, centre, (rng.uniform(30, 120), rng.uniform(30, 90)), 0.4, 18)
        draw.polygon(area, fill=choose(rng, ((196, 222, 176), (176, 208, 232), (232, 214, 190))))
    brown: RGB = (190, 140, 96)
    for _ in range(int(rng.integers(2, 5))):
        centre = (rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT))
        ring = np.array(blob(rng, centre, (1, 1), 0.3, 30)) - centre
        for radius in range(12, int(rng.integers(90, 200)), int(rng.integers(9, 16))):
            points = (ring * radius + centre).ravel().tolist()
            draw.line([*points, *points[:2]], fill=brown, width=1)
    for colour, width in (((200, 60, 60), 8), ((236, 170, 70), 6), ((250, 250, 250), 4)):
        for _ in range(int(rng.integers(1, 4))):
            line = ridge_line(rng, rng.uniform(0, HEIGHT), rng.uniform(10, 90))
            path = line if rng.uniform() < 0.5 else [(y * 1.33, x * 0.75) for x, y in line]
            draw.line(path, fill=(60, 60, 60), width=width + 3)
            draw.line(path, fill=colour, width=width)
    pitch = int(rng.integers(70, 150))
    for x in range(int(rng.integers(pitch)), WIDTH, pitch):
        draw.line([x, 0, x, HEIGHT], fill=(90, 140, 190), width=1)
    for y in range(int(rng.integers(pitch)), HEIGHT, pitch):
        draw.line([0, y, WIDTH, y], fill=(90, 140, 190), width=1)
    for _ in range(int(rng.integers(8, 22))):
        corner = (rng.uniform(0, WIDTH - 60), rng.uniform(0, HEIGHT))
        letters(sheet, rng, corner, rng.uniform(40, 130), rng.uniform(8, 16), (30, 30, 34))


def _page(sheet: Image.Image, rng: np.random.Generator) -> None:
    """A heading, then lines of print in one to three columns, perhaps with a figure."""
    ink = shade((40, 38, 40), rng.uniform(0.5, 1.6))
    margin = rng.uniform(25, 60)
    letters(sheet, rng, (margin, margin), WIDTH - 2 * margin, rng.uniform(20, 36), ink)
    columns = int(rng.integers(1, 4))
    gap, height = 22.0, rng.uniform(7, 13)
    width = (WIDTH - 2 * margin - gap * (columns - 1)) / columns
    for column in range(columns):
        x, y = margin + column * (width + gap), margin + 55
        if rng.uniform() < 0.3:
            grey = surface(clouds(rng, 30, 3), (60, 60, 60), (210, 210, 210))
            tall = int(rng.uniform(70, 150))
            sheet.paste(grey.crop((0, 0, int(width), tall)), (int(x), int(y)))
            y += tall + 12
        while y < HEIGHT - margin:
            if rng.uniform() > 0.07:
                share = 1.0 if rng.uniform() < 0.8 else rng.uniform(0.3, 0.9)
                letters(sheet, rng, (x, y), width * share, height, ink)
            y += height * 1.75


def _poster(sheet: Image.Image, rng: np.random.Generator) -> None:
    """Blocks of strong colour and large letters."""
    draw = ImageDraw.Draw(sheet)
    ground = any_colour(rng)
    draw.rectangle([0, 0, WIDTH, HEIGHT], fill=ground)
    ink: RGB = (20, 20, 24) if sum(ground) > 380 else (246, 244, 236)
    y = rng.uniform(15, 40)
    while y < HEIGHT - 50:
        tall = rng.uniform(36, 120)
        if rng.uniform() < 0.45:
            draw.rectangle([24, y, WIDTH - 24, y + tall], fill=any_colour(rng))
        height = min(tall * 0.7, rng.uniform(22, 84))
        letters(sheet, rng, (40, y + tall * 0.15), WIDTH - 80, height, ink, rng.uniform(0.1, 0.25))
        y += tall + rng.uniform(6, 24)
    if rng.uniform() < 0.5:
        x, level, radius = rng.uniform(120, 520), rng.uniform(120, 360), rng.uniform(50, 110)
        draw.ellipse([x - radius, level - radius, x + radius, level + radius], fill=any_colour(rng))
    draw.rectangle([8, 8, WIDTH - 8, HEIGHT - 8], outline=ink, width=int(rng.integers(3, 9)))


def _diagram(sheet: Image.Image, rng: np.random.Generator) -> None:
    """Labelled boxes joined by lines, or the plan of a building with its dimensions."""
    draw = ImageDraw.Draw(sheet)
    ink = choose(rng, ((40, 40, 46), (40, 60, 130), (120, 40, 40)))
    columns, rows = int(rng.integers(3, 6)), int(rng.integers(3, 5))
    wide, tall = WIDTH / columns, HEIGHT / rows
    centres = [((c + 0.5) * wide, (r + 0.5) * tall) for r in range(rows) for c in range(columns)]
    for _ in range(columns * rows):
        (a, b), (c, d) = choose(rng, centres), choose(rng, centres)
        draw.line([a, b, c, b, c, d], fill=ink, width=3)
    for x, y in centres:
        if rng.uniform() < 0.2:
            continue
        half, high = wide * rng.uniform(0.25, 0.42), tall * rng.uniform(0.2, 0.36)
        box = (x - half, y - high, x + half, y + high)
        tint = vary(rng, choose(rng, ((250, 250, 248), (210, 226, 240), (244, 226, 196))), 0.04)
        if rng.uniform() < 0.25:
            draw.ellipse(box, fill=tint, outline=ink, width=3)
        else:
            draw.rectangle(box, fill=tint, outline=ink, width=3)
        letters(sheet, rng, (x - half * 0.7, y - 6), half * 1.4, 12, ink)


def _old_print(sheet: Image.Image, rng: np.random.Generator) -> None:
    """A brown print within a pale border: people in rows before a wall, a caption below."""
    photo = surface(clouds(rng, 90, 5), (96, 88, 76), (190, 178, 158))
    draw = ImageDraw.Draw(photo)
    draw.rectangle([0, HEIGHT * 0.8, WIDTH, HEIGHT], fill=(110, 100, 86))
    rows = int(rng.integers(1, 4))
    for row in range(rows):
        level = HEIGHT * (0.62 - 0.16 * (rows - 1 - row))
        step = rng.uniform(44, 66)
        for x in np.arange(60 + step / 2 * (row % 2), WIDTH - 60, step):
            coat = shade((60, 54, 48), rng.uniform(0.5, 2.0))
            y = level + rng.uniform(-6, 6)
            draw.rounded_rectangle([x - 21, y + 16, x + 21, HEIGHT], 12, fill=coat)
            draw.ellipse([x - 12, y - 14, x + 12, y + 18], fill=(206, 192, 170))
            draw.pieslice([x - 13, y - 16, x + 13, y + 8], 180, 360, fill=(54, 48, 42))
    border = int(rng.integers(24, 60))
    inner = ImageOps.fit(photo, (WIDTH - 2 * border, HEIGHT - 2 * border - 24))
    sheet.paste(inner, (border, border))
    letters(sheet, rng, (border, HEIGHT - border - 16), WIDTH * 0.6, 14, (70, 60, 50))
    draw = ImageDraw.Draw(sheet)
    for _ in range(6):
        x, y = rng.uniform(0, SIZE[0]), rng.uniform(0, SIZE[1])
        draw.line([x, y, x + rng.normal(0, 60), y + rng.normal(0, 60)], fill=(226, 216, 196))


_SHEETS: tuple[Callable[[Image.Image, np.random.Generator], None], ...] = (
    _map,
    _page,
    _poster,
    _diagram,
    _old_print,
)
