"""The shape of CLIP ViT-B/32's image tower, and the test that weights have it.

Source: OpenAI's `clip/model.py` (VisionTransformer) and open_clip's `ViT-B-32-quickgelu.json`.
"""

from collections.abc import Mapping
from typing import Final

import torch

from geograph_types.embedding import EMBEDDING_DIMENSION
from geograph_types.preprocess import CROP
from geograph_types_export.errors import WeightsError

MODEL_NAME: Final = "ViT-B-32-quickgelu"
"""open_clip's name of the model; its `ViT-B-32` has another activation."""
OPENAI: Final = "openai"
"""open_clip's name of its weights."""

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

FLOATS: Final = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
"""Types that weights come in; the numbers of others (int8, float8) mean nothing without a scale."""


def _tower_shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "class_embedding": (WIDTH,),
        "positional_embedding": (TOKENS, WIDTH),
        "conv1.weight": (WIDTH, 3, PATCH, PATCH),
        "proj": (WIDTH, EMBEDDING_DIMENSION),
    }
    block: dict[str, tuple[int, ...]] = {
        "attn.in_proj_weight": (3 * WIDTH, WIDTH),
        "attn.in_proj_bias": (3 * WIDTH,),
        "attn.out_proj.weight": (WIDTH, WIDTH),
        "attn.out_proj.bias": (WIDTH,),
        "mlp.c_fc.weight": (HIDDEN, WIDTH),
        "mlp.c_fc.bias": (HIDDEN,),
        "mlp.c_proj.weight": (WIDTH, HIDDEN),
        "mlp.c_proj.bias": (WIDTH,),
    }
    for layer in range(LAYERS):
        prefix = f"transformer.resblocks.{layer}"
        shapes |= {f"{prefix}.{name}": shape for name, shape in block.items()}
        shapes |= {
            f"{prefix}.{norm}.{part}": (WIDTH,)
            for norm in ("ln_1", "ln_2")
            for part in ("weight", "bias")
        }
    return shapes | {
        f"{norm}.{part}": (WIDTH,) for norm in ("ln_pre", "ln_post") for part in ("weight", "bias")
    }


TOWER_SHAPES: Final[Mapping[str, tuple[int, ...]]] = _tower_shapes()
"""Every tensor of the image tower, by open_clip's key."""


def check_tower(source: str, tower: Mapping[str, torch.Tensor]) -> None:
    """Hold weights to the architecture.

    Args:
        source: names the weights in messages.
        tower: tensors by open_clip's keys of the image tower.

    Raises:
        WeightsError: another architecture, a tensor missing or unknown, not plain (see
            `check_plain`), or not finite in float32.
    """
    # A nested tensor has no shape, and fails where it is asked for one.
    shapes = {key: () if t.is_nested else tuple(t.shape) for key, t in tower.items()}
    if shapes != TOWER_SHAPES:
        raise WeightsError(
            source,
            f"{_difference(shapes)}; give the weights of CLIP ViT-B/32 "
            f"(open_clip's {MODEL_NAME}, OpenAI's ViT-B-32.pt)",
        )
    for key, tensor in tower.items():
        check_plain(source, key, tensor)
        if not bool(torch.isfinite(tensor.float()).all()):
            raise WeightsError(source, f"{key} holds NaN or infinity; fetch the file again")


def check_plain(source: str, key: str, tensor: torch.Tensor) -> None:
    """Refuse a tensor that does not hold its values one by one, as floats.

    Args:
        source: names the weights in messages.
        key: names the tensor in messages.
        tensor: of any shape.

    Raises:
        WeightsError: quantised, complex, sparse, nested, or without values (meta).
    """
    dense = tensor.layout == torch.strided and not tensor.is_nested
    if not dense or tensor.dtype not in FLOATS or tensor.device.type != "cpu":
        kind = "nested" if tensor.is_nested else tensor.layout
        raise WeightsError(
            source,
            f"{key} is not plain ({tensor.dtype}, {kind}, on {tensor.device}); save the weights as "
            "dense tensors of float16, bfloat16, float32 or float64",
        )


def _difference(shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Say what the weights are instead, as precisely as their shapes tell."""
    if any(key.startswith("layer1.") for key in shapes):
        return "this is a CLIP ResNet"
    patches = shapes.get("conv1.weight", ())
    if len(patches) == 4 and patches != TOWER_SHAPES["conv1.weight"]:
        return f"this is a vision transformer of width {patches[0]} with patches of {patches[-1]}"
    missing = sorted(TOWER_SHAPES.keys() - shapes.keys())
    unknown = sorted(shapes.keys() - TOWER_SHAPES.keys())
    if missing:
        return f"this is another model ({len(missing)} tensors are missing, as {missing[0]})"
    if unknown:
        return f"this is another model ({len(unknown)} tensors are unknown, as {unknown[0]})"
    key = next(key for key, shape in TOWER_SHAPES.items() if shapes[key] != shape)
    return f"this is another model ({key} is {shapes[key]}, not {TOWER_SHAPES[key]})"
