"""The colours that scenes are made of, and how they are varied."""

from typing import TypeAlias

import numpy as np

RGB: TypeAlias = tuple[int, int, int]

SEASONS = (  # grass, then foliage
    (((86, 124, 58), (104, 138, 66), (72, 108, 60)), ((46, 78, 38), (60, 92, 44))),
    (((116, 138, 72), (98, 126, 62), (124, 134, 84)), ((66, 88, 40), (46, 76, 46))),
    (((168, 142, 74), (142, 112, 62), (120, 104, 66)), ((142, 88, 36), (86, 84, 44))),
    (((206, 210, 216), (176, 180, 180), (132, 128, 104)), ((74, 64, 56), (52, 62, 54))),
)
STONES = ((150, 142, 128), (172, 156, 128), (118, 116, 116), (146, 104, 84))
ROOFS = ((84, 84, 92), (146, 82, 60), (112, 98, 86), (66, 70, 76))
EARTHS = ((126, 98, 70), (104, 80, 62), (150, 120, 92))
SKIES = (  # at the zenith, then at the horizon
    ((82, 132, 196), (190, 212, 232)),
    ((116, 130, 146), (184, 190, 196)),
    ((116, 122, 160), (238, 190, 140)),
)


def shade(colour: RGB, factor: float) -> RGB:
    """Darken (factor below 1) or lighten (above 1) a colour."""
    red, green, blue = (max(0, min(255, round(part * factor))) for part in colour)
    return red, green, blue


def mix(first: RGB, second: RGB, share: float) -> RGB:
    """Blend two colours; a share of 0 is the first, 1 the second."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def vary(rng: np.random.Generator, colour: RGB, spread: float = 0.12) -> RGB:
    """Return a neighbour of a colour, lighter or darker and a little off its hue."""
    tint = rng.normal(1.0, spread) + rng.normal(0.0, spread / 4, 3)
    red, green, blue = (int(part) for part in np.clip(np.multiply(colour, tint), 0, 255))
    return red, green, blue
