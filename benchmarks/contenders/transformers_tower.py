"""Hugging Face transformers' CLIP vision tower in torch, float32, with its default attention."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from contenders.interface import Encode, Given, LeftOut, unless_installed
from contenders.pixel_tower import as_encode, with_pixels

if TYPE_CHECKING:
    import torch

NAME = "transformers, torch fp32"
PRECISION = "fp32"


def left_out(given: Given) -> LeftOut | None:
    return unless_installed("torch", "transformers")


def prepare(given: Given, threads: int) -> Encode:
    import torch
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

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

    return as_encode(with_pixels(Tower()), threads)


def to_hugging_face(tower: Mapping[str, "torch.Tensor"]) -> dict[str, "torch.Tensor"]:
    """Name a tower's tensors as Hugging Face does; the reverse of `keys.by_open_clip_keys`."""
    from geograph_types_export.architecture import LAYERS
    from geograph_types_export.weights.keys import (
        BLOCK_PREFIX,
        IN_BLOCK,
        IN_PROJECTIONS,
        OUTSIDE_BLOCKS,
    )

    state = {theirs: tower[ours] for theirs, ours in OUTSIDE_BLOCKS.items()}
    state["visual_projection.weight"] = tower["proj"].T
    for layer in range(LAYERS):
        block, prefix = f"transformer.resblocks.{layer}", f"{BLOCK_PREFIX}{layer}"
        for kind in ("weight", "bias"):
            for theirs, ours in IN_BLOCK.items():
                state[f"{prefix}.{theirs}.{kind}"] = tower[f"{block}.{ours}.{kind}"]
            parts = tower[f"{block}.attn.in_proj_{kind}"].chunk(len(IN_PROJECTIONS))
            for projection, part in zip(IN_PROJECTIONS, parts, strict=True):
                state[f"{prefix}.self_attn.{projection}.{kind}"] = part
    return state
