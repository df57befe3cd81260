"""open_clip in torch under bf16 autocast."""

import numpy as np
from numpy.typing import NDArray

from contenders.interface import Encode, Given, LeftOut, Reason, unless_installed
from contenders.pixel_tower import as_encode, load_tower

NAME = "open_clip, torch bf16 autocast"


def left_out(given: Given) -> LeftOut | None:
    missing = unless_installed("open_clip")
    if missing is not None:
        return missing
    import torch

    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return LeftOut(Reason.NO_BF16, "torch would emulate it, many times slower than fp32")
    return None


def prepare(given: Given, threads: int) -> Encode:
    import torch

    encode = as_encode(load_tower(given), threads)

    def under_autocast(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.autocast("cpu", torch.bfloat16):
            return encode(pixels)

    return under_autocast
