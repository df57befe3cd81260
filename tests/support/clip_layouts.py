"""The tensors of CLIP's image tower as files have them."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from geograph_types_export.architecture import LAYERS, tower_shapes

Tensors = Mapping[str, NDArray[np.float16]]


def plain_tower() -> dict[str, NDArray[np.float16]]:
    """The tower by open_clip's keys, with rows that differ and are exact in float16."""
    return {key: pattern(shape) for key, shape in tower_shapes().items()}


def pattern(shape: tuple[int, ...]) -> NDArray[np.float16]:
    rows = ((np.arange(shape[0]) % 251) / 256).astype(np.float16)
    return np.broadcast_to(rows.reshape(-1, *[1] * (len(shape) - 1)), shape).copy()


def full_model(tower: Tensors) -> dict[str, NDArray[np.float16]]:
    text = {"positional_embedding": np.zeros((77, 512), np.float16)}
    return {f"visual.{key}": values for key, values in tower.items()} | text


def hugging_face(tower: Tensors) -> dict[str, NDArray[np.float16]]:
    state = {
        "vision_model.embeddings.class_embedding": tower["class_embedding"],
        "vision_model.embeddings.patch_embedding.weight": tower["conv1.weight"],
        "vision_model.embeddings.position_embedding.weight": tower["positional_embedding"],
        "visual_projection.weight": np.ascontiguousarray(tower["proj"].T),
        "text_model.final_layer_norm.bias": np.zeros(512, np.float16),
    }
    names = {"vision_model.pre_layrnorm": "ln_pre", "vision_model.post_layernorm": "ln_post"}
    for i in range(LAYERS):
        theirs, ours = f"vision_model.encoder.layers.{i}", f"transformer.resblocks.{i}"
        names |= {
            f"{theirs}.layer_norm1": f"{ours}.ln_1",
            f"{theirs}.layer_norm2": f"{ours}.ln_2",
            f"{theirs}.mlp.fc1": f"{ours}.mlp.c_fc",
            f"{theirs}.mlp.fc2": f"{ours}.mlp.c_proj",
            f"{theirs}.self_attn.out_proj": f"{ours}.attn.out_proj",
        }
        for kind in ("weight", "bias"):
            parts = np.split(tower[f"{ours}.attn.in_proj_{kind}"], 3)
            for part, values in zip("qkv", parts, strict=True):
                state[f"{theirs}.self_attn.{part}_proj.{kind}"] = values
    for theirs, ours in names.items():
        for kind in ("weight", "bias"):
            state[f"{theirs}.{kind}"] = tower[f"{ours}.{kind}"]
    return state


def wrapped(prefix: str) -> Callable[[Tensors], dict[str, NDArray[np.float16]]]:
    """The whole model as trainers save it: compiled, distributed, in a Lightning module."""
    return lambda tower: {f"{prefix}{key}": values for key, values in full_model(tower).items()}
