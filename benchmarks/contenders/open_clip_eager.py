"""open_clip in torch, float32: what its own documentation shows."""

from contenders.interface import Encode, Given, LeftOut, unless_installed
from contenders.pixel_tower import as_encode, load_tower

NAME = "open_clip, torch fp32"
PRECISION = "fp32"


def left_out(given: Given) -> LeftOut | None:
    return unless_installed("open_clip")


def prepare(given: Given, threads: int) -> Encode:
    return as_encode(load_tower(given), threads)
