"""The tensors of CLIP's image tower as files have them; tiny on disk, as one row repeated."""

from collections.abc import Mapping

import torch
from torch import Tensor

from geograph_types_export.architecture import LAYERS, TOWER_SHAPES


def pattern(shape: tuple[int, ...]) -> Tensor:
    """Rows that differ, exact in float16; repeated columns take no room in a saved file."""
    rows = (torch.arange(shape[0]) % 251).half() / 256
    return rows.reshape(-1, *[1] * (len(shape) - 1)).expand(shape)


def plain_tower() -> dict[str, Tensor]:
    """The tower by open_clip's keys."""
    return {key: pattern(shape) for key, shape in TOWER_SHAPES.items()}


def full_model(tower: Mapping[str, Tensor]) -> dict[str, Tensor]:
    text = {"positional_embedding": torch.zeros(77, 512), "logit_scale": torch.zeros(())}
    return {f"visual.{key}": tensor for key, tensor in tower.items()} | text


def hugging_face(tower: Mapping[str, Tensor]) -> dict[str, Tensor]:
    state = {
        "vision_model.embeddings.class_embedding": tower["class_embedding"],
        "vision_model.embeddings.patch_embedding.weight": tower["conv1.weight"],
        "vision_model.embeddings.position_embedding.weight": tower["positional_embedding"],
        "vision_model.embeddings.position_ids": torch.arange(50)[None],
        "visual_projection.weight": tower["proj"].T,
        "text_model.final_layer_norm.bias": torch.zeros(512),
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
            parts = tower[f"{ours}.attn.in_proj_{kind}"].chunk(3)
            for part, tensor in zip("qkv", parts, strict=True):
                state[f"{theirs}.self_attn.{part}_proj.{kind}"] = tensor
    for theirs, ours in names.items():
        for kind in ("weight", "bias"):
            state[f"{theirs}.{kind}"] = tower[f"{ours}.{kind}"]
    return state


def distributed(tower: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"module.{key}": tensor for key, tensor in full_model(tower).items()}


def training_checkpoint(tower: Mapping[str, Tensor]) -> dict[str, object]:
    """A checkpoint as open_clip's training saves it."""
    moments = {"step": torch.tensor(9.0), "exp_avg": torch.zeros(2)}
    optimizer = {"state": {0: moments}, "param_groups": [{"lr": 5e-4, "betas": (0.9, 0.98)}]}
    return {
        "epoch": 32,
        "name": "run",
        "state_dict": distributed(tower),
        "optimizer": optimizer,
        "scaler": {"scale": 65536.0},
    }
