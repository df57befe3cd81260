"""Extra: what is not a view of the ground, such as maps, documents and posters."""

import numpy as np
from PIL import Image

from geograph_types_trainer.scenes.canvas import HEIGHT, WIDTH, Canvas, surface
from geograph_types_trainer.scenes.palette import shade


def extra(canvas: Canvas) -> Image.Image:
    """Paint a map, a page or a poster, flat or on a table."""
    tone = canvas.choose((246, 244, 236), (232, 220, 190), (214, 196, 158), (226, 232, 236))
    canvas.picture.paste(surface(canvas.clouds(160), tone, 0.9, 1.0))
    canvas.choose(_map, _words)(canvas)
    return canvas.picture if canvas.chance(0.4) else _on_table(canvas)


def _on_table(canvas: Canvas) -> Image.Image:
    """Show the sheet as a photograph does: a little smaller, turned, with its shadow."""
    rng = canvas.rng
    wood = canvas.choose((120, 88, 60), (70, 72, 78), (160, 150, 136))
    table = surface(canvas.clouds(50, 4, (6.0, 0.5)), wood, 0.75, 1.1)
    share, turn = rng.uniform(0.74, 0.97), rng.normal(0, 5)
    sheet = canvas.picture.resize((int(WIDTH * share), int(HEIGHT * share)))
    solid = Image.new("L", sheet.size, 255).rotate(turn, expand=True)
    sheet = sheet.rotate(turn, Image.Resampling.BILINEAR, expand=True)
    x, y = (WIDTH - sheet.width) // 2, (HEIGHT - sheet.height) // 2
    table.paste(shade(wood, 0.35), (x + 7, y + 7), solid)
    table.paste(sheet, (x, y), solid)
    return table


def _map(canvas: Canvas) -> None:
    """Draw woods and water with contours, roads with casings, a grid and names."""
    rng, draw = canvas.rng, canvas.draw
    for _ in canvas.several(2, 6):
        place, ring = canvas.spot(), np.array(canvas.blob((0.0, 0.0), (1.0, 0.8), 0.35, 30))
        tint = canvas.choose((196, 222, 176), (176, 208, 232), (232, 214, 190))
        for radius in range(int(rng.integers(60, 160)), 10, -14):
            corners = (ring * radius + np.array(place)).ravel().tolist()
            draw.polygon(corners, fill=tint, outline=(190, 140, 96))
    for colour, width in (((200, 60, 60), 8), ((236, 170, 70), 6), ((250, 250, 250), 4)):
        for turned in rng.uniform(size=int(rng.integers(1, 4))) < 0.5:
            line = canvas.ridge(rng.uniform(0, HEIGHT), rng.uniform(10, 90))
            path = [(y * 1.33, x * 0.75) for x, y in line] if turned else line
            draw.line(path, fill=(60, 60, 60), width=width + 3)
            draw.line(path, fill=colour, width=width)
    for at in range(int(rng.integers(90)), WIDTH, 90):
        draw.line([at, 0, at, HEIGHT], fill=(90, 140, 190))
        draw.line([0, at, WIDTH, at], fill=(90, 140, 190))
    for _ in canvas.several(8, 21):
        canvas.write(canvas.spot(), rng.uniform(40, 130), rng.uniform(8, 16), (30, 30, 34))


def _words(canvas: Canvas) -> None:
    """Write a page of print in columns, or a poster in strong colours."""
    rng, poster = canvas.rng, canvas.chance(0.5)
    ground = canvas.any_colour()
    if poster:
        canvas.draw.rectangle([0, 0, WIDTH, HEIGHT], fill=ground)
    ink = (20, 20, 24) if sum(ground) > 380 or not poster else (246, 244, 236)
    height, columns = rng.uniform(7, 13), 1 if poster else int(rng.integers(1, 4))
    for x in np.arange(columns) * (WIDTH - 60) / columns + 40:
        y, width = rng.uniform(25, 45), (WIDTH - 60) / columns - 22
        while y < HEIGHT - 40:
            height = rng.uniform(22, 80) if poster else height
            if poster and canvas.chance(0.4):
                canvas.draw.rectangle([24, y, WIDTH - 24, y + height], fill=canvas.any_colour())
            canvas.write((x, y), width * rng.uniform(0.8, 1.0), height * 0.8, ink)
            y += height * 1.5
