"""The shape of CLIP ViT-B/32's image tower, and what weights of it look like.

Source: OpenAI's `clip/model.py` (VisionTransformer) and open_clip's `ViT-B-32-quickgelu.json`.
"""

from collections.abc import Mapping
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from geograph_types.embedding import EMBEDDING_DIMENSION
from geograph_types.preprocess import CROP

MODEL_NAME: Final = "ViT-B-32-quickgelu"
"""open_clip's name of the model; its `ViT-B-32` has another activation."""

WIDTH: Final = 768
LAYERS: Final = 12
HEADS: Final = 12
HIDDEN: Final = 4 * WIDTH
PATCH: Final = 32
"""Side of a patch in pixels."""
GRID: Final = CROP // PATCH
"""Patches along one side."""
TOKENS: Final = GRID * GRID + 1
"""The class token and the patches."""
LAYER_NORM_EPSILON: Final = 1e-5
QUICK_GELU: Final = 1.702
"""The activation is x * sigmoid(1.702 x)."""

TowerState: TypeAlias = Mapping[str, NDArray[np.float32]]
"""The tower's tensors by open_clip's keys, with the shapes of `tower_shapes`."""


def tower_shapes(layers: int = LAYERS) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor of the image tower, by open_clip's key."""
    block = {
        "attn.in_proj_weight": (3 * WIDTH, WIDTH),
        "attn.in_proj_bias": (3 * WIDTH,),
        "attn.out_proj.weight": (WIDTH, WIDTH),
        "attn.out_proj.bias": (WIDTH,),
        "mlp.c_fc.weight": (HIDDEN, WIDTH),
        "mlp.c_fc.bias": (HIDDEN,),
        "mlp.c_proj.weight": (WIDTH, HIDDEN),
        "mlp.c_proj.bias": (WIDTH,),
        **_norm("ln_1"),
        **_norm("ln_2"),
    }
    shapes: dict[str, tuple[int, ...]] = {
        "class_embedding": (WIDTH,),
        "positional_embedding": (TOKENS, WIDTH),
        "conv1.weight": (WIDTH, 3, PATCH, PATCH),
        "proj": (WIDTH, EMBEDDING_DIMENSION),
        **_norm("ln_pre"),
        **_norm("ln_post"),
    }
    for layer in range(layers):
        shapes |= {f"{block_name(layer)}.{name}": shape for name, shape in block.items()}
    return shapes


def _norm(name: str) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (WIDTH,), f"{name}.bias": (WIDTH,)}


def block_name(layer: int) -> str:
    """Return what the keys of a residual block start with, without the dot."""
    return f"transformer.resblocks.{layer}"


def layer_count(state: Mapping[str, object]) -> int:
    """Return how many residual blocks a tower has: 12, but for tests."""
    return sum(key.endswith(".attn.in_proj_bias") for key in state)


def architecture_problem(shapes: Mapping[str, tuple[int, ...]]) -> str | None:
    """Return what weights of these shapes are instead of the tower's; `None` if they are its."""
    expected = tower_shapes()
    if any(key.startswith("layer1.") for key in shapes):
        return "this is a CLIP ResNet"
    patches = shapes.get("conv1.weight", ())
    if len(patches) == 4 and patches != expected["conv1.weight"]:
        return f"this is a vision transformer of width {patches[0]} with patches of {patches[-1]}"
    if missing := sorted(expected.keys() - shapes.keys()):
        return f"this is another model ({len(missing)} tensors are missing, such as {missing[0]})"
    if unknown := sorted(shapes.keys() - expected.keys()):
        return f"this is another model ({len(unknown)} tensors are unknown, such as {unknown[0]})"
    for key, shape in expected.items():
        if shapes[key] != shape:
            return f"this is another model ({key} is {shapes[key]}, not {shape})"
    return None
