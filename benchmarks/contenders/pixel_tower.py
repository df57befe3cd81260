"""A tower in torch that takes pixels: normalisation as open_clip's transform does it, in torch."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from contenders.interface import Encode, Given
from geograph_types.preprocess import MEAN, STD

if TYPE_CHECKING:
    import torch


def load_tower(given: Given) -> "torch.nn.Module":
    """Load open_clip's image tower; uint8 [N, 224, 224, 3] to float32 [N, 512]."""
    import torch

    from geograph_types_export.with_torch import open_clip_tower

    state = torch.load(given.weights, weights_only=True)
    return with_pixels(open_clip_tower(state))


def with_pixels(tower: "torch.nn.Module") -> "torch.nn.Module":
    """Put normalisation before a tower that takes float32 [N, 3, 224, 224]."""
    import torch

    class Normalise(torch.nn.Module):
        mean: torch.Tensor
        std: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", torch.tensor(MEAN)[:, None, None])
            self.register_buffer("std", torch.tensor(STD)[:, None, None])

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            scaled = pixels.permute(0, 3, 1, 2).to(torch.float32) / 255
            return (scaled - self.mean) / self.std

    return torch.nn.Sequential(Normalise(), tower).eval()


def as_encode(module: "Callable[[torch.Tensor], torch.Tensor]", threads: int) -> Encode:
    """Run a module on numpy arrays, without gradients."""
    import torch

    torch.set_num_threads(threads)

    @torch.inference_mode()
    def encode(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        embeds: NDArray[np.float32] = module(torch.from_numpy(pixels)).float().numpy()
        return embeds

    return encode
