"""What a camera makes of a scene: focus, metering, white balance, lens and sensor."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from geograph_types_trainer.scenes.texture import HEIGHT, WIDTH

_METERED_LEVEL = 0.47  # mean of the three channels, 0 to 1, that automatic exposure aims at


def take_photograph(rng: np.random.Generator, picture: Image.Image) -> Image.Image:
    """Give a drawn scene the look of a photograph.

    The camera meters: it pulls every scene, white paper and dark barn alike, towards the same
    mean brightness and towards grey, and misses by a random amount. So the mean colour of a
    photograph says little about what is on it, as with real ones.

    Args:
        rng: Source of randomness.
        picture: An "RGB" picture of the size of a scene.

    Returns:
        A new picture of the same size.
    """
    soft = picture.filter(ImageFilter.BoxBlur(float(rng.uniform(0.3, 0.9))))
    soft = _saturate(soft, 0.0 if rng.uniform() < 0.06 else float(rng.uniform(0.7, 1.15)))
    light: NDArray[np.float32] = np.asarray(_expose(rng, soft), dtype=np.float32)
    light = light * _vignette(float(rng.uniform(0.0, 0.35)))[:, :, None]
    noise = rng.standard_normal((HEIGHT, WIDTH), dtype=np.float32)
    light += noise[:, :, None] * np.float32(rng.uniform(0.8, 5.5))
    return Image.fromarray(np.clip(light, 0, 255, out=light).astype(np.uint8))


def _saturate(picture: Image.Image, saturation: float) -> Image.Image:
    """Scale how far colours are from grey; 0 gives black and white."""
    keep, share = saturation, (1 - saturation) / 3
    mixing = (keep + share, share, share, 0, share, keep + share, share, 0,
              share, share, keep + share, 0)  # fmt: skip
    return picture.convert("RGB", mixing)


def _expose(rng: np.random.Generator, picture: Image.Image) -> Image.Image:
    """White balance, exposure and contrast, as one curve for each channel."""
    means = np.asarray(picture.reduce(20), dtype=np.float64).mean(axis=(0, 1)) / 255
    means = np.maximum(means, 0.02)
    target = _METERED_LEVEL * 2.0 ** rng.normal(0.0, 0.28)
    gain = (target / means.mean()) ** rng.uniform(0.75, 1.0)
    balance = np.clip((means.mean() / means) ** rng.uniform(0.4, 1.0), 0.85, 1.2)
    tint = np.exp(rng.normal(0.0, 0.05, 3))
    contrast = rng.uniform(0.85, 1.2)
    levels = np.arange(256)[None, :] / 255 * (gain * balance * tint)[:, None]
    levels = (levels - target) * contrast + target
    over = np.maximum(levels - 0.8, 0)
    levels = np.minimum(levels, 0.8) + over / (1 + 2.5 * over)  # highlights roll off softly
    curves = np.clip(levels * 255, 0, 255).round().astype(int)
    return picture.point(curves.ravel().tolist())


def _vignette(strength: float) -> NDArray[np.float32]:
    """Brightness over the picture, [HEIGHT, WIDTH]: 1 in the middle, less in the corners."""
    y = np.linspace(-1, 1, HEIGHT, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, WIDTH, dtype=np.float32)[None, :]
    return 1 - np.float32(strength / 2) * (x * x + y * y)


def focus(picture: Image.Image, sharp: Image.Image, blur: float) -> Image.Image:
    """Keep a picture sharp where the mask `sharp` ("L") is 255, and blur it where it is 0.

    `blur` is the radius in pixels.
    """
    return Image.composite(picture, picture.filter(ImageFilter.GaussianBlur(blur)), sharp)


def round_mask(centre: tuple[float, float], radius: float) -> Image.Image:
    """A mask ("L") of the size of a scene: 255 at `centre`, fading to 0 beyond `radius` pixels."""
    y = (np.arange(HEIGHT, dtype=np.float32) - centre[1])[:, None]
    x = (np.arange(WIDTH, dtype=np.float32) - centre[0])[None, :]
    nearness = 1.4 - np.sqrt(x * x + y * y) / np.float32(radius)
    return Image.fromarray((np.clip(nearness, 0, 1) * 255).astype(np.uint8))


def haze(picture: Image.Image, colour: tuple[int, int, int], top: float, low: float) -> Image.Image:
    """Lay haze over a picture: share `top` (0 to 1) at the upper edge, `low` at the lower one."""
    column = np.linspace(top, low, HEIGHT, dtype=np.float32)[:, None] * 255
    mask = np.repeat(np.clip(column, 0, 255).astype(np.uint8), WIDTH, axis=1)
    return Image.composite(Image.new("RGB", picture.size, colour), picture, Image.fromarray(mask))
