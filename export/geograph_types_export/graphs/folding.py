"""The tower's weights, rearranged by exact algebra into what the graph multiplies by.

Everything is computed in float64 and rounded to float32 once. With `g` and `b` the weight and bias
of a LayerNorm, `n(x)` the normalisation alone, and `W`, `c` the linear layer that follows:

* Pixels: the graph reads `q = (p - 128) / 64`, which is exact in every number format, and
  `((p / 255 - mean) / std) * K = q * (64 K / (255 std)) + sum(K (128 / 255 - mean) / std)`. The
  constant joins the positional embedding, as the class token does, whose patch is all zeros.
* LayerNorm: `W (g n(x) + b) + c = (W g) n(x) + (W b + c)`.
* Attention: the bias of the keys adds the same to each score of a query, and softmax ignores it;
  the weights of a query sum to 1, so the bias of the values passes into the output projection.
* QuickGELU: with `y = 1.702 h`, `h sigmoid(1.702 h) = (1 / 1.702) y sigmoid(y)`; the factors go
  into the products before and after.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from geograph_types.preprocess import MEAN, STD
from geograph_types_export.architecture import LAYERS, QUICK_GELU, WIDTH
from geograph_types_export.graphs.tower import PIXEL_SCALE, PIXEL_ZERO, Block, Linear, Tower

Array = NDArray[np.float64]
PIXEL_RANGE: Final = 255


def fold(state: Mapping[str, torch.Tensor]) -> Tower:
    """Fold a checked state dict of the image tower.

    Args:
        state: tensors by open_clip's keys, as `architecture.check_tower` accepts them.

    Returns:
        The tower in float32.
    """
    filters = _exact(state, "conv1.weight") / np.reshape(STD, (1, 3, 1, 1))
    offset = PIXEL_ZERO / PIXEL_RANGE - np.reshape(MEAN, (1, 3, 1, 1))
    patches = filters.transpose(2, 3, 1, 0).reshape(-1, WIDTH) / (PIXEL_RANGE * PIXEL_SCALE)
    positions = _exact(state, "positional_embedding")
    class_token = positions[0] + _exact(state, "class_embedding")
    positions = positions + (filters * offset).sum(axis=(1, 2, 3))
    positions[0] = class_token
    projection = _exact(state, "proj")
    return Tower(
        patches=_linear(patches, np.zeros(WIDTH)),
        positions=_float32(positions),
        norm_weight=_float32(_exact(state, "ln_pre.weight")),
        norm_bias=_float32(_exact(state, "ln_pre.bias")),
        blocks=tuple(_block(state, f"transformer.resblocks.{i}") for i in range(LAYERS)),
        projection=_linear(
            _exact(state, "ln_post.weight")[:, None] * projection,
            _exact(state, "ln_post.bias") @ projection,
        ),
    )


def _block(state: Mapping[str, torch.Tensor], name: str) -> Block:
    in_proj, in_bias = _after_norm(state, f"{name}.attn.in_proj_", f"{name}.ln_1")
    value_bias = in_bias[2 * WIDTH :].copy()
    in_bias[WIDTH:] = 0
    out_proj = _exact(state, f"{name}.attn.out_proj.weight").T
    c_fc, c_fc_bias = _after_norm(state, f"{name}.mlp.c_fc.", f"{name}.ln_2")
    c_proj = _exact(state, f"{name}.mlp.c_proj.weight").T
    ones = np.ones(WIDTH, np.float32)
    return Block(
        norm_1=ones,
        in_proj=_linear(in_proj, in_bias),
        out_proj=_linear(
            out_proj, _exact(state, f"{name}.attn.out_proj.bias") + value_bias @ out_proj
        ),
        norm_2=ones,
        c_fc=_linear(c_fc * QUICK_GELU, c_fc_bias * QUICK_GELU),
        hidden=np.ones(len(c_proj), np.float32),
        c_proj=_linear(c_proj / QUICK_GELU, _exact(state, f"{name}.mlp.c_proj.bias")),
    )


def _after_norm(state: Mapping[str, torch.Tensor], layer: str, norm: str) -> tuple[Array, Array]:
    """Fold the affine part of a LayerNorm into the layer that reads it: [inputs, outputs]."""
    weight = _exact(state, f"{layer}weight")
    bias = _exact(state, f"{layer}bias") + weight @ _exact(state, f"{norm}.bias")
    return (weight * _exact(state, f"{norm}.weight")).T, bias


def _exact(state: Mapping[str, torch.Tensor], key: str) -> Array:
    values: Array = state[key].double().numpy()
    return values


def _linear(weight: Array, bias: Array) -> Linear:
    return Linear(_float32(weight), _float32(bias))


def _float32(values: Array) -> NDArray[np.float32]:
    return np.ascontiguousarray(values, dtype=np.float32)
