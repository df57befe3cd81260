"""open_clip's and transformers' towers in torch; normalisation is in torch too."""

import os
import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from contenders.interface import Contender, Encode, Given, unless_installed
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


def as_encode(module: "Callable[[torch.Tensor], torch.Tensor]", bf16: bool = False) -> Encode:
    """Run a module on numpy arrays, without gradients."""
    import torch

    @torch.inference_mode()
    def encode(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            embeds: NDArray[np.float32] = module(torch.from_numpy(pixels)).float().numpy()
        return embeds

    return encode


def _open_clip(name: str, compiled: bool, bf16: bool) -> Contender:
    def left_out(given: Given) -> str | None:
        if compiled and shutil.which(os.environ.get("CXX", "g++")) is None:
            return "no C++ compiler: torch.compile needs g++, or another named in CXX"
        return unless_installed("open_clip") or (_unless_bf16() if bf16 else None)

    def prepare(given: Given, threads: int) -> Encode:
        import torch

        # Before compiling: the number of threads goes into the code.
        torch.set_num_threads(threads)
        tower = load_tower(given)
        # Compiled for each batch size.
        return as_encode(torch.compile(tower, dynamic=False) if compiled else tower, bf16)

    return Contender(name, "bf16" if bf16 else "fp32", left_out, prepare)


def _unless_bf16() -> str | None:
    import torch

    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return "no bf16 in this processor: torch would emulate it, many times slower than fp32"
    return None


def _transformers(given: Given, threads: int) -> Encode:
    """Load Hugging Face transformers' CLIP vision tower, with its default attention."""
    import torch
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    from contenders.hugging_face import to_hugging_face
    from geograph_types_export.architecture import HEADS, HIDDEN, LAYERS, PATCH, WIDTH

    class Tower(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            configuration = CLIPVisionConfig(
                hidden_size=WIDTH,
                intermediate_size=HIDDEN,
                num_hidden_layers=LAYERS,
                num_attention_heads=HEADS,
                patch_size=PATCH,
                projection_dim=512,
                hidden_act="quick_gelu",
            )
            self.model = CLIPVisionModelWithProjection(configuration)
            state = torch.load(given.weights, weights_only=True)
            self.model.load_state_dict(to_hugging_face(state))

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            embeds: torch.Tensor = self.model(pixel_values=pixels).image_embeds
            return embeds

    torch.set_num_threads(threads)
    return as_encode(with_pixels(Tower()))


OPEN_CLIP = _open_clip("open_clip, torch fp32", compiled=False, bf16=False)
COMPILED = _open_clip("open_clip, torch.compile fp32", compiled=True, bf16=False)
BF16 = _open_clip("open_clip, torch bf16 autocast", compiled=False, bf16=True)
COMPILED_BF16 = _open_clip("open_clip, torch.compile bf16 autocast", compiled=True, bf16=True)
TRANSFORMERS = Contender(
    "transformers, torch fp32",
    "fp32",
    lambda _: unless_installed("torch", "transformers"),
    _transformers,
)
