"""Which function draws which class, and streams of scenes that touch no disk."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import numpy as np
from PIL import Image

from geograph_types.errors import InputError
from geograph_types.taxonomy import CLASSES
from geograph_types_trainer.scenes.finish import take_photograph
from geograph_types_trainer.scenes.ground import cross_far, geograph
from geograph_types_trainer.scenes.indoors import inside
from geograph_types_trainer.scenes.near import close_look
from geograph_types_trainer.scenes.overhead import aerial, from_drone
from geograph_types_trainer.scenes.paper import extra

_PAINTERS: Final[Mapping[str, Callable[[np.random.Generator], Image.Image]]] = {
    "Aerial": aerial,
    "Close Look": close_look,
    "Cross Far": cross_far,
    "Extra": extra,
    "Geograph": geograph,
    "Inside": inside,
    "From Drone": from_drone,
}


def draw_scene(class_name: str, rng: np.random.Generator) -> Image.Image:
    """Draw one practice photograph.

    Args:
        class_name: One of `geograph_types.taxonomy.CLASSES`.
        rng: Source of randomness; the same state draws the same picture.

    Returns:
        An "RGB" picture, 640x480 and upright.

    Raises:
        InputError: there is no such class.
    """
    if class_name not in _PAINTERS:
        raise InputError(f"no scene of class {class_name!r}: choose from {', '.join(_PAINTERS)}")
    return take_photograph(rng, _PAINTERS[class_name](rng))


def draw_scenes(count: int, seed: int) -> Iterator[Image.Image]:
    """Draw `count` scenes, class by class in turn, as `write_scenes` with this seed would.

    Raises:
        InputError: at the first picture, if `count` or `seed` is negative.
    """
    if count < 0:
        raise InputError(f"count is {count}: it must be 0 or more")
    for number in range(count):
        yield draw_scene(CLASSES[number % len(CLASSES)], scene_generator(seed, number))


def scene_generator(seed: int, number: int) -> np.random.Generator:
    """The randomness of one scene of a series, which depends on no other scene.

    Raises:
        InputError: the seed is negative.
    """
    if seed < 0:
        raise InputError(f"seed is {seed}: it must be 0 or more")
    return np.random.default_rng([seed, number])
