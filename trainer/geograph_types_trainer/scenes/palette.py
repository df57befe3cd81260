"""Colours of a scene: what season, weather and hour do to grass, stone and sky."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

RGB = tuple[int, int, int]
_Option = TypeVar("_Option")

_GREENS: tuple[RGB, ...] = ((86, 124, 58), (104, 138, 66), (72, 108, 60), (122, 142, 84))
_OCHRES: tuple[RGB, ...] = ((168, 142, 74), (142, 112, 62), (186, 164, 98), (120, 104, 66))
_WINTERS: tuple[RGB, ...] = ((206, 210, 216), (176, 180, 180), (132, 128, 104), (228, 230, 234))
_FOLIAGE: dict[str, tuple[RGB, ...]] = {
    "green": ((46, 78, 38), (60, 92, 44), (38, 66, 44)),
    "ochre": ((142, 88, 36), (112, 74, 38), (86, 84, 44)),
    "winter": ((74, 64, 56), (92, 84, 78), (52, 62, 54)),
}
_GRASS = {"green": _GREENS, "ochre": _OCHRES, "winter": _WINTERS}
_STONES: tuple[RGB, ...] = ((150, 142, 128), (172, 156, 128), (118, 116, 116), (146, 104, 84))
_ROOFS: tuple[RGB, ...] = ((84, 84, 92), (146, 82, 60), (112, 98, 86), (66, 70, 76))
_EARTHS: tuple[RGB, ...] = ((126, 98, 70), (104, 80, 62), (150, 120, 92))
_SKIES: tuple[tuple[RGB, RGB], ...] = (
    ((82, 132, 196), (190, 212, 232)),
    ((132, 146, 160), (202, 206, 210)),
    ((104, 116, 132), (166, 170, 176)),
    ((116, 122, 160), (238, 190, 140)),
    ((150, 172, 190), (222, 226, 226)),
)


@dataclass(frozen=True)
class Palette:
    """The colours that one scene draws from.

    Attributes:
        grass: Colours of fields, at least three.
        foliage: Colours of leaves and woods.
        stone: Colour of walls.
        roof: Colour of roofs.
        earth: Colour of bare soil.
        sky_high: Sky at the zenith.
        sky_low: Sky at the horizon, and what haze fades to.
        sun: Strength of shadows, 0 (overcast) to 1 (clear).
    """

    grass: tuple[RGB, ...]
    foliage: tuple[RGB, ...]
    stone: RGB
    roof: RGB
    earth: RGB
    sky_high: RGB
    sky_low: RGB
    sun: float


def choose(rng: np.random.Generator, options: Sequence[_Option]) -> _Option:
    """Pick one of `options`, keeping its type (`Generator.choice` would make an array of it)."""
    return options[int(rng.integers(len(options)))]


def shade(colour: RGB, factor: float) -> RGB:
    """Darken (`factor` below 1) or lighten (above 1) a colour, kept within 0 to 255."""
    red, green, blue = (max(0, min(255, round(part * factor))) for part in colour)
    return red, green, blue


def mix(first: RGB, second: RGB, share: float) -> RGB:
    """Blend two colours; `share` 0 gives the first, 1 the second."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def vary(rng: np.random.Generator, colour: RGB, spread: float = 0.12) -> RGB:
    """A neighbour of `colour`: every part scaled, mostly together, by about `spread`."""
    common = rng.normal(1.0, spread)
    red, green, blue = (
        int(np.clip(part * (common + rng.normal(0.0, spread / 4)), 0, 255)) for part in colour
    )
    return red, green, blue


def any_colour(rng: np.random.Generator, low: int = 30, high: int = 225) -> RGB:
    """A colour of any hue, each part from `low` up to `high`."""
    red, green, blue = (int(part) for part in rng.integers(low, high, 3))
    return red, green, blue


def draw_palette(rng: np.random.Generator) -> Palette:
    """Choose season, weather and hour, and the colours that follow from them."""
    season = choose(rng, ("green", "green", "ochre", "winter"))
    sky_high, sky_low = choose(rng, _SKIES)
    return Palette(
        grass=tuple(vary(rng, colour) for colour in _GRASS[season]),
        foliage=tuple(vary(rng, colour) for colour in _FOLIAGE[season]),
        stone=vary(rng, choose(rng, _STONES)),
        roof=vary(rng, choose(rng, _ROOFS)),
        earth=vary(rng, choose(rng, _EARTHS)),
        sky_high=vary(rng, sky_high, 0.08),
        sky_low=vary(rng, sky_low, 0.04),
        sun=float(rng.uniform(0.0, 1.0)),
    )
