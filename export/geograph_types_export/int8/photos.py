"""Photos to fit a quantised encoder to, and others to judge it on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geograph_types.decoding.open import open_photo
from geograph_types.errors import InputError, PhotoError
from geograph_types.photos.find import find_photos
from geograph_types.preprocess import preprocess
from geograph_types_trainer.scenes import draw_scenes

DRAWN: Final = 112
DRAWN_SEED: Final = 314_159
FEWEST: Final = 32
MOST: Final = 256
"""More photos change nothing and take gigabytes."""


@dataclass(frozen=True, slots=True, eq=False)
class CalibrationPhotos:
    """Preprocessed photos."""

    fitted: NDArray[np.uint8]  # [N, 224, 224, 3]; to fit to
    held_out: NDArray[np.uint8]  # [M, 224, 224, 3]; to judge on
    name: str  # what they are, for people
    left_out: int = 0  # files that could not be read


def drawn_photos() -> CalibrationPhotos:
    """Draw practice scenes, for users who give no photos."""
    pixels = [preprocess(image) for image in draw_scenes(DRAWN, DRAWN_SEED)]
    return _halves(pixels, f"{DRAWN} drawn scenes, half of them held out", 0)


def photos_in(folder: Path) -> CalibrationPhotos:
    """Read the photos of a folder and its subfolders, as `find_photos` lists them.

    At most 256 are used, spread evenly over the folder; those that cannot be used are left out.
    """
    files = list(find_photos([folder]))
    chosen = files[:: max(1, -(-len(files) // MOST))]
    pixels = []
    for path in chosen:
        try:
            pixels.append(preprocess(open_photo(path)))
        except PhotoError:
            continue
    if len(pixels) < FEWEST:
        raise InputError(
            f"{folder} has {len(pixels)} usable photos: give at least {FEWEST}, or leave "
            "--calibration out to use drawn scenes"
        )
    name = f"{len(pixels)} photos given by the user, half of them held out"
    return _halves(pixels, name, len(chosen) - len(pixels))


def _halves(pixels: list[NDArray[np.uint8]], name: str, left_out: int) -> CalibrationPhotos:
    stacked = np.stack(pixels)
    return CalibrationPhotos(stacked[::2], stacked[1::2], name, left_out)
