"""Marks that look like writing; no font is needed, so every machine draws the same."""

import numpy as np
from PIL import Image, ImageDraw

from geograph_types_trainer.scenes.palette import RGB
from geograph_types_trainer.scenes.texture import Point

# Strokes of invented letters on a grid of 0 to 2 across and 0 to 4 down.
_GLYPHS: tuple[tuple[tuple[Point, ...], ...], ...] = (
    (((0, 4), (0, 0), (2, 0)), ((0, 2), (1.5, 2))),
    (((0, 4), (1, 0), (2, 4)), ((0.5, 2.5), (1.5, 2.5))),
    (((2, 0), (0, 0), (0, 4), (2, 4)),),
    (((0, 0), (0, 4)), ((0, 2), (2, 2)), ((2, 0), (2, 4))),
    (((0, 0), (2, 0), (2, 4), (0, 4), (0, 0)),),
    (((0, 4), (0, 0), (2, 4), (2, 0)),),
    (((0, 0), (2, 0)), ((1, 0), (1, 4))),
    (((0, 0), (0, 4), (2, 4)),),
    (((2, 0), (0, 0), (0, 2), (2, 2), (2, 4), (0, 4)),),
    (((0, 4), (0, 0), (2, 0), (2, 2), (0, 2), (2, 4)),),
)


def letters(
    picture: Image.Image,
    rng: np.random.Generator,
    corner: Point,
    width: float,
    height: float,
    colour: RGB,
    weight: float = 0.12,
) -> None:
    """Write, in place, one line of words.

    Args:
        picture: Picture to write on.
        rng: Source of randomness.
        corner: Upper left corner of the line in pixels.
        width: Width that the line may take in pixels.
        height: Height of the letters in pixels.
        colour: Colour of the strokes.
        weight: Thickness of the strokes as a share of the height.
    """
    draw = ImageDraw.Draw(picture)
    step, thickness = height * 0.72, max(1, round(height * weight))
    x, left_in_word = corner[0], int(rng.integers(2, 9))
    while x + step < corner[0] + width:
        if left_in_word == 0:
            left_in_word = int(rng.integers(2, 9))
        else:
            for stroke in _GLYPHS[int(rng.integers(len(_GLYPHS)))]:
                points = [(x + a * step / 3, corner[1] + b * height / 4) for a, b in stroke]
                draw.line(points, fill=colour, width=thickness)
            left_in_word -= 1
        x += step
