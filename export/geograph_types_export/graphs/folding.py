"""The tower's weights, rearranged by exact algebra into what the graph multiplies by.

Everything is computed in float64 and rounded once, to float32 or float16. With `g` and `b` the
weight and bias of a LayerNorm, `n(x)` the normalisation alone, and `W`, `c` the linear layer that
follows:

* Pixels: the graph reads `q = (p - 128) / 64`, which is exact in every number format, and
  `((p / 255 - mean) / std) * K = q * (64 K / (255 std)) + sum(K (128 / 255 - mean) / std)`. The
  constant joins the positional embedding, as the class token does, whose patch is all zeros.
* LayerNorm: `W (g n(x) + b) + c = (W g) n(x) + (W b + c)`.
* Attention: the bias of the keys adds the same to each score of a query, and softmax ignores it;
  the weights of a query sum to 1, so the bias of the values passes into the output projection.
* QuickGELU: with `y = 1.702 h`, `h sigmoid(1.702 h) = (1 / 1.702) y sigmoid(y)`; the factors go
  into the products before and after.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geograph_types.preprocess import MEAN, STD
from geograph_types_export.architecture import (
    QUICK_GELU,
    WIDTH,
    TowerState,
    block_name,
    layer_count,
)
from geograph_types_export.graphs.tower import (
    PIXEL_SCALE,
    PIXEL_ZERO,
    Block,
    Floats,
    Linear,
    Tower,
)

Array = NDArray[np.float64]
PIXEL_RANGE: Final = 255


def fold(state: TowerState, dtype: type[np.float32 | np.float16] = np.float32) -> Tower:
    """Fold checked weights of the image tower and round them to float32 or float16."""
    return _Folding(state, dtype).tower()


@dataclass(frozen=True, slots=True, eq=False)
class _Folding:
    state: TowerState
    dtype: type[np.float32 | np.float16]

    def tower(self) -> Tower:
        filters = self._exact("conv1.weight") / np.reshape(STD, (1, 3, 1, 1))
        offset = PIXEL_ZERO / PIXEL_RANGE - np.reshape(MEAN, (1, 3, 1, 1))
        patches = filters.transpose(2, 3, 1, 0).reshape(-1, WIDTH) / (PIXEL_RANGE * PIXEL_SCALE)
        positions = self._exact("positional_embedding")
        class_token = positions[0] + self._exact("class_embedding")
        positions = positions + (filters * offset).sum(axis=(1, 2, 3))
        positions[0] = class_token
        projection = self._exact("proj")
        return Tower(
            patches=self._linear(patches, np.zeros(WIDTH)),
            positions=self._rounded(positions),
            norm_weight=self._rounded(self._exact("ln_pre.weight")),
            norm_bias=self._rounded(self._exact("ln_pre.bias")),
            blocks=tuple(self._block(block_name(i)) for i in range(layer_count(self.state))),
            projection=self._linear(
                self._exact("ln_post.weight")[:, None] * projection,
                self._exact("ln_post.bias") @ projection,
            ),
        )

    def _block(self, name: str) -> Block:
        in_proj, in_bias = self._after_norm(f"{name}.attn.in_proj_", f"{name}.ln_1")
        value_bias = in_bias[2 * WIDTH :].copy()
        in_bias[WIDTH:] = 0
        out_proj = self._exact(f"{name}.attn.out_proj.weight").T
        out_bias = self._exact(f"{name}.attn.out_proj.bias") + value_bias @ out_proj
        c_fc, c_fc_bias = self._after_norm(f"{name}.mlp.c_fc.", f"{name}.ln_2")
        c_proj = self._exact(f"{name}.mlp.c_proj.weight").T
        c_proj_bias = self._exact(f"{name}.mlp.c_proj.bias")
        ones = self._rounded(np.ones(WIDTH))
        return Block(
            norm_1=ones,
            in_proj=self._linear(in_proj, in_bias),
            out_proj=self._linear(out_proj, out_bias),
            norm_2=ones,
            c_fc=self._linear(c_fc * QUICK_GELU, c_fc_bias * QUICK_GELU),
            hidden=self._rounded(np.ones(len(c_proj))),
            c_proj=self._linear(c_proj / QUICK_GELU, c_proj_bias),
        )

    def _after_norm(self, layer: str, norm: str) -> tuple[Array, Array]:
        """Fold the affine part of a LayerNorm into the layer that reads it: [inputs, outputs]."""
        weight = self._exact(f"{layer}weight")
        bias = self._exact(f"{layer}bias") + weight @ self._exact(f"{norm}.bias")
        return (weight * self._exact(f"{norm}.weight")).T, bias

    def _exact(self, key: str) -> Array:
        return self.state[key].astype(np.float64)

    def _linear(self, weight: Array, bias: Array) -> Linear:
        return Linear(self._rounded(weight), self._rounded(bias))

    def _rounded(self, values: Array) -> Floats:
        return np.ascontiguousarray(values.astype(self.dtype))
