"""The three ways in which files name the tensors of CLIP's image tower.

* openai and open_clip: the whole model, the tower under `visual.`
* open_clip, the tower alone: no prefix
* Hugging Face: `vision_model.*` and `visual_projection.weight`, queries, keys and values apart

Each may be under `module.`, as distributed training saves it.
"""

from collections.abc import Mapping
from typing import Final

import torch

from geograph_types_export.architecture import WIDTH, check_plain
from geograph_types_export.errors import WeightsError

DISTRIBUTED_PREFIX: Final = "module."
"""torch's DistributedDataParallel puts the whole model under it."""
OPEN_CLIP_PREFIX: Final = "visual."
HUGGING_FACE_PREFIX: Final = "vision_model."
BARE_KEY: Final = "class_embedding"

OUTSIDE_BLOCKS: Final = {
    "vision_model.embeddings.class_embedding": "class_embedding",
    "vision_model.embeddings.patch_embedding.weight": "conv1.weight",
    "vision_model.embeddings.position_embedding.weight": "positional_embedding",
    "vision_model.pre_layrnorm.weight": "ln_pre.weight",
    "vision_model.pre_layrnorm.bias": "ln_pre.bias",
    "vision_model.post_layernorm.weight": "ln_post.weight",
    "vision_model.post_layernorm.bias": "ln_post.bias",
}
"""Hugging Face's names ("layrnorm" is theirs) and open_clip's."""

IN_BLOCK: Final = {
    "self_attn.out_proj": "attn.out_proj",
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}
BLOCK_PREFIX: Final = "vision_model.encoder.layers."
IN_PROJECTIONS: Final = ("q_proj", "k_proj", "v_proj")
IN_PROJECTION_SHAPES: Final = {"weight": (WIDTH, WIDTH), "bias": (WIDTH,)}
PROJECTION: Final = "visual_projection.weight"


def to_open_clip(source: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Give the image tower by open_clip's keys; the text tower is left out.

    Args:
        source: names the weights in messages.
        tensors: of a file, in any of the layouts.

    Raises:
        WeightsError: none of the layouts, or a tensor that has to be rearranged is missing or not
            plain (see `architecture.check_plain`).
    """
    if all(key.startswith(DISTRIBUTED_PREFIX) for key in tensors):
        tensors = {key.removeprefix(DISTRIBUTED_PREFIX): t for key, t in tensors.items()}
    if any(key.startswith(OPEN_CLIP_PREFIX) for key in tensors):
        return {
            key.removeprefix(OPEN_CLIP_PREFIX): tensor
            for key, tensor in tensors.items()
            if key.startswith(OPEN_CLIP_PREFIX)
        }
    if any(key.startswith(HUGGING_FACE_PREFIX) for key in tensors):
        return _from_hugging_face(source, tensors)
    if BARE_KEY in tensors:
        return dict(tensors)
    raise WeightsError(
        source,
        "its tensors are not named as CLIP's image tower (visual.*, vision_model.*, or the bare "
        "tower); give a file of open_clip, OpenAI or Hugging Face",
    )


def _from_hugging_face(source: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    if PROJECTION not in tensors:
        raise WeightsError(
            source,
            "it has no visual_projection.weight; save a CLIPModel or CLIPVisionModelWithProjection",
        )
    tower = {ours: tensors[theirs] for theirs, ours in OUTSIDE_BLOCKS.items() if theirs in tensors}
    projection = tensors[PROJECTION]
    check_plain(source, PROJECTION, projection)
    tower["proj"] = projection.T if projection.ndim == 2 else projection
    for key, tensor in tensors.items():
        if key.startswith(BLOCK_PREFIX):
            layer, _, rest = key.removeprefix(BLOCK_PREFIX).partition(".")
            part, _, kind = rest.rpartition(".")
            if part in IN_BLOCK:
                tower[f"transformer.resblocks.{layer}.{IN_BLOCK[part]}.{kind}"] = tensor
            elif part == "self_attn.q_proj":
                tower[f"transformer.resblocks.{layer}.attn.in_proj_{kind}"] = _joined(
                    source, tensors, f"{BLOCK_PREFIX}{layer}.self_attn", kind
                )
    return tower


def _joined(
    source: str, tensors: Mapping[str, torch.Tensor], prefix: str, kind: str
) -> torch.Tensor:
    names = [f"{prefix}.{projection}.{kind}" for projection in IN_PROJECTIONS]
    missing = [name for name in names if name not in tensors]
    if missing:
        raise WeightsError(source, f"it has no {missing[0]}; fetch the file again, in full")
    for name in names:
        check_plain(source, name, tensors[name])
    parts = [tensors[name] for name in names]
    # Others are left for the check of the architecture to name: a file of a few bytes can declare
    # tensors of any size, and joining them would take the memory.
    fitting = all(tuple(part.shape) == IN_PROJECTION_SHAPES.get(kind) for part in parts)
    return torch.cat(parts) if fitting else parts[0]
