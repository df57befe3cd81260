"""open_clip in torch under bf16 autocast."""

import numpy as np
from numpy.typing import NDArray

from contenders.bf16 import unless_bf16
from contenders.interface import Encode, Given, LeftOut, unless_installed
from contenders.pixel_tower import as_encode, load_tower

NAME = "open_clip, torch bf16 autocast"
PRECISION = "bf16"


def left_out(given: Given) -> LeftOut | None:
    return unless_installed("open_clip") or unless_bf16()


def prepare(given: Given, threads: int) -> Encode:
    import torch

    encode = as_encode(load_tower(given), threads)

    def under_autocast(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.autocast("cpu", torch.bfloat16):
            return encode(pixels)

    return under_autocast
