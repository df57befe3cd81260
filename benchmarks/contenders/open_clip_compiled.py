"""open_clip in torch, float32, through `torch.compile`: compiled anew for each batch size."""

from contenders.compiling import unless_compiler
from contenders.interface import Encode, Given, LeftOut, unless_installed
from contenders.pixel_tower import as_encode, load_tower

NAME = "open_clip, torch.compile fp32"
PRECISION = "fp32"


def left_out(given: Given) -> LeftOut | None:
    return unless_compiler() or unless_installed("open_clip")


def prepare(given: Given, threads: int) -> Encode:
    import torch

    # Before compiling: the number of threads goes into the code.
    torch.set_num_threads(threads)
    return as_encode(torch.compile(load_tower(given), dynamic=False), threads)
