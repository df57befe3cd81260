"""open_clip in torch, float32, through `torch.compile`: compiled anew for each batch size."""

import os
import shutil

from contenders.interface import Encode, Given, LeftOut, Reason, unless_installed
from contenders.pixel_tower import as_encode, load_tower

NAME = "open_clip, torch.compile fp32"


def left_out(given: Given) -> LeftOut | None:
    if shutil.which(os.environ.get("CXX", "g++")) is None:
        return LeftOut(Reason.NO_COMPILER, "torch.compile needs g++, or another named in CXX")
    return unless_installed("open_clip")


def prepare(given: Given, threads: int) -> Encode:
    import torch

    # Before compiling: the number of threads goes into the code.
    torch.set_num_threads(threads)
    return as_encode(torch.compile(load_tower(given), dynamic=False), threads)
