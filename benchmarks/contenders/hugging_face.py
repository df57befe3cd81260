"""A tower's tensors by the names that Hugging Face gives them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from geograph_types_export.architecture import LAYERS
from geograph_types_export.weights.keys import (
    BLOCK_PREFIX,
    IN_BLOCK,
    IN_PROJECTIONS,
    OUTSIDE_BLOCKS,
)

if TYPE_CHECKING:
    import torch


def to_hugging_face(tower: Mapping[str, "torch.Tensor"]) -> dict[str, "torch.Tensor"]:
    """Name a tower's tensors as Hugging Face does; the reverse of `keys.by_open_clip_keys`."""
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
