"""Which function paints which class, and streams of scenes that touch no disk."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import numpy as np
from PIL import Image

from geograph_types.errors import InputError
from geograph_types.taxonomy import CLASSES
from geograph_types_trainer.scenes.camera import take_photograph
from geograph_types_trainer.scenes.canvas import Canvas
from geograph_types_trainer.scenes.ground import cross_far, geograph
from geograph_types_trainer.scenes.indoors import inside
from geograph_types_trainer.scenes.near import close_look
from geograph_types_trainer.scenes.overhead import aerial, from_drone
from geograph_types_trainer.scenes.paper import extra

PAINTERS: Final[Mapping[str, Callable[[Canvas], Image.Image]]] = {
    "Aerial": aerial,
    "Close Look": close_look,
    "Cross Far": cross_far,
    "Extra": extra,
    "Geograph": geograph,
    "Inside": inside,
    "From Drone": from_drone,
}


def draw_scene(class_name: str, rng: np.random.Generator) -> Image.Image:
    """Draw one practice photo, "RGB", 640x480 and upright; the same state draws the same one."""
    if class_name not in PAINTERS:
        raise InputError(f"no scene of class {class_name!r}: choose from {', '.join(PAINTERS)}")
    return take_photograph(rng, PAINTERS[class_name](Canvas(rng)))


def draw_scenes(count: int, seed: int) -> Iterator[Image.Image]:
    """Draw `count` scenes, class by class in turn, as `write_scenes` with this seed would."""
    if count < 0:
        raise InputError(f"count is {count}: it must be 0 or more")
    for number in range(count):
        yield draw_scene(CLASSES[number % len(CLASSES)], scene_generator(seed, number))


def scene_generator(seed: int, number: int) -> np.random.Generator:
    """Return the randomness of one scene of a series, which depends on no other scene."""
    if seed < 0:
        raise InputError(f"seed is {seed}: it must be 0 or more")
    return np.random.default_rng([seed, number])
