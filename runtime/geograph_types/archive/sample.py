"""Drawn photos of the size that Geograph shows, to measure with."""

from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

__all__ = ["SIZE", "draw_sample"]

SIZE: Final = (640, 480)
"""Width and height in pixels."""
COARSE: Final = (20, 15)
GRAIN: Final = 5.0
"""Standard deviation of the noise that gives a drawn photo the file size of a real one."""
QUALITY: Final = 87


def draw_sample(folder: Path, count: int) -> list[Path]:
    """Draw JPEG files of 640x480 pixels and about 100 kB: soft shapes with a camera's grain.

    Returns:
        Their paths.
    """
    rng = np.random.default_rng(0)
    paths = []
    for number in range(count):
        shapes = Image.fromarray(rng.integers(0, 256, (*COARSE[::-1], 3), dtype=np.uint8))
        soft = np.asarray(shapes.resize(SIZE, Image.Resampling.BICUBIC), np.float32)
        grainy = soft + rng.normal(0, GRAIN, soft.shape).astype(np.float32)
        path = folder / f"{number:04}.jpg"
        Image.fromarray(grainy.clip(0, 255).astype(np.uint8)).save(path, quality=QUALITY)
        paths.append(path)
    return paths
