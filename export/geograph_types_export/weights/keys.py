"""The ways in which files name the tensors of CLIP's image tower.

* OpenAI and open_clip: the whole model, the tower under `visual.`, or the tower alone
* Hugging Face: `vision_model.*` and `visual_projection.weight`, queries, keys and values apart

Either may be wrapped, see `without_wrappers`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geograph_types_export.architecture import block_name
from geograph_types_export.errors import WeightsError
from geograph_types_trainer.head_weights import without_wrappers


@dataclass(frozen=True, slots=True, eq=False)
class StoredTensor:
    """A tensor in a file, known by its shape before it is read: files can declare any size."""

    shape: tuple[int, ...]
    read: Callable[[], NDArray[np.float32]]


OPEN_CLIP: Final = "visual."
HUGGING_FACE: Final = "vision_model."
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
PROJECTION: Final = "visual_projection.weight"


def by_open_clip_keys(source: str, tensors: Mapping[str, StoredTensor]) -> dict[str, StoredTensor]:
    """Return the image tower by open_clip's keys; the text tower is left out."""
    tensors = without_wrappers(tensors)
    if any(key.startswith(OPEN_CLIP) for key in tensors):
        return {k.removeprefix(OPEN_CLIP): t for k, t in tensors.items() if k.startswith(OPEN_CLIP)}
    if any(key.startswith(HUGGING_FACE) for key in tensors):
        return _from_hugging_face(source, tensors)
    if BARE_KEY in tensors:
        return dict(tensors)
    raise WeightsError(
        source,
        "its tensors are not named as CLIP's image tower (visual.*, vision_model.*, or the bare "
        "tower); give a file of open_clip, OpenAI or Hugging Face",
    )


def _from_hugging_face(source: str, tensors: Mapping[str, StoredTensor]) -> dict[str, StoredTensor]:
    if PROJECTION not in tensors:
        raise WeightsError(
            source,
            "it has no visual_projection.weight; save a CLIPModel or CLIPVisionModelWithProjection",
        )
    tower = {ours: tensors[theirs] for theirs, ours in OUTSIDE_BLOCKS.items() if theirs in tensors}
    tower["proj"] = _transposed(tensors[PROJECTION])
    for key, tensor in tensors.items():
        if key.startswith(BLOCK_PREFIX):
            layer, _, rest = key.removeprefix(BLOCK_PREFIX).partition(".")
            part, _, kind = rest.rpartition(".")
            block = block_name(int(layer)) if layer.isdecimal() else layer
            if part in IN_BLOCK:
                tower[f"{block}.{IN_BLOCK[part]}.{kind}"] = tensor
            elif part == "self_attn.q_proj":
                names = [f"{BLOCK_PREFIX}{layer}.self_attn.{p}.{kind}" for p in IN_PROJECTIONS]
                if missing := [name for name in names if name not in tensors]:
                    raise WeightsError(
                        source, f"it has no {missing[0]}; fetch the file again, in full"
                    )
                tower[f"{block}.attn.in_proj_{kind}"] = _stacked([tensors[n] for n in names])
    return tower


def _transposed(tensor: StoredTensor) -> StoredTensor:
    return StoredTensor(tensor.shape[::-1], lambda: tensor.read().T)


def _stacked(parts: list[StoredTensor]) -> StoredTensor:
    """Put queries, keys and values into one tensor; of other shapes, the first stands for all."""
    first = parts[0].shape
    if not first or any(part.shape != first for part in parts):
        return parts[0]
    shape = (len(parts) * first[0], *first[1:])
    return StoredTensor(shape, lambda: np.concatenate([part.read() for part in parts]))
