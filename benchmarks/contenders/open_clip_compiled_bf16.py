"""open_clip in torch under bf16 autocast, through `torch.compile`."""

import numpy as np
from numpy.typing import NDArray

from contenders.bf16 import unless_bf16
from contenders.compiling import unless_compiler
from contenders.interface import Encode, Given, LeftOut, unless_installed
from contenders.pixel_tower import as_encode, load_tower

NAME = "open_clip, torch.compile bf16 autocast"
PRECISION = "bf16"


def left_out(given: Given) -> LeftOut | None:
    return unless_compiler() or unless_installed("open_clip") or unless_bf16()


def prepare(given: Given, threads: int) -> Encode:
    import torch

    # Before compiling: the number of threads goes into the code.
    torch.set_num_threads(threads)
    encode = as_encode(torch.compile(load_tower(given), dynamic=False), threads)

    def under_autocast(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.autocast("cpu", torch.bfloat16):
            return encode(pixels)

    return under_autocast
