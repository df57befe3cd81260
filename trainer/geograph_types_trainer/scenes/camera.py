"""What a camera makes of a scene: focus, metering, white balance, lens and sensor."""

from typing import Final

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from geograph_types_trainer.scenes.canvas import HEIGHT, WIDTH, Point
from geograph_types_trainer.scenes.palette import RGB

METERED_LEVEL: Final = 0.47
"""Mean of the three channels, 0 to 1, that automatic exposure aims at."""


def take_photograph(rng: np.random.Generator, picture: Image.Image) -> Image.Image:
    """Make a painted scene look like a photograph.

    The camera meters: it pulls every scene, white paper and dark barn alike, towards the same
    mean brightness and towards grey, and misses by a random amount. So the mean colour of a
    photograph says little about what is on it, as with real ones.
    """
    soft = picture.filter(ImageFilter.BoxBlur(float(rng.uniform(0.3, 0.9))))
    colourful = float(rng.uniform(0.7, 1.15)) if rng.uniform() > 0.06 else 0.0
    light = np.asarray(_expose(rng, ImageEnhance.Color(soft).enhance(colourful)), np.float32)
    y, x = np.ogrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]
    vignette = 1 - rng.uniform(0.0, 0.17) * (x * x + y * y)
    grain = rng.standard_normal((HEIGHT, WIDTH), np.float32) * np.float32(rng.uniform(0.8, 5.5))
    light = light * vignette.astype(np.float32)[:, :, None] + grain[:, :, None]
    return Image.fromarray(np.clip(light, 0, 255).astype(np.uint8))


def _expose(rng: np.random.Generator, picture: Image.Image) -> Image.Image:
    """Apply white balance, exposure and contrast, as one curve for each channel."""
    means = np.asarray(picture.reduce(20), np.float64).mean(axis=(0, 1)) / 255
    means = np.maximum(means, 0.02)
    target = METERED_LEVEL * 2.0 ** rng.normal(0.0, 0.28)
    gain = (target / means.mean()) ** rng.uniform(0.75, 1.0)
    balance = np.clip((means.mean() / means) ** rng.uniform(0.4, 1.0), 0.85, 1.2)
    tint = np.exp(rng.normal(0.0, 0.05, 3))
    levels = np.arange(256) / 255 * (gain * balance * tint)[:, None]
    levels = (levels - target) * rng.uniform(0.85, 1.2) + target
    over = np.maximum(levels - 0.8, 0)
    levels = np.minimum(levels, 0.8) + over / (1 + 2.5 * over)  # highlights roll off softly
    curves = np.clip(levels * 255, 0, 255).round().astype(int)
    return picture.point(curves.ravel().tolist())


def focus(picture: Image.Image, centre: Point, radius: float, blur: float) -> Image.Image:
    """Keep a picture sharp around a point, and blur it (radius in pixels) further away."""
    y, x = np.ogrid[:HEIGHT, :WIDTH]
    nearness = 1.4 - np.hypot(x - centre[0], y - centre[1]) / radius
    sharp = Image.fromarray((np.clip(nearness, 0, 1) * 255).astype(np.uint8))
    return Image.composite(picture, picture.filter(ImageFilter.GaussianBlur(blur)), sharp)


def haze(picture: Image.Image, colour: RGB, top: float, low: float) -> Image.Image:
    """Lay haze over a picture: share `top` (0 to 1) at the upper edge, `low` at the lower one."""
    fading = Image.linear_gradient("L").resize(picture.size)
    mask = fading.point([round(255 * top + (low - top) * level) for level in range(256)])
    return Image.composite(Image.new("RGB", picture.size, colour), picture, mask)
