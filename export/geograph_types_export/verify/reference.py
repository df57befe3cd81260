"""CLIP's image tower in plain numpy, in float64: what every encoder is held against.

It follows section 3 of Dosovitskiy et al., An Image is Worth 16x16 Words (2021), with CLIP's own
normalisation before the blocks, QuickGELU, and projection of the class token at the end.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from geograph_types.preprocess import MEAN, STD
from geograph_types_export.architecture import (
    GRID,
    HEADS,
    LAYER_NORM_EPSILON,
    PATCH,
    QUICK_GELU,
    WIDTH,
    TowerState,
    block_name,
    layer_count,
)

Array = NDArray[np.float64]

REFERENCE: Final = "the tower in numpy, float64, the same weights"


class ReferenceTower:
    """The image tower with given weights; they become float64 one by one, as they are used."""

    def __init__(self, state: TowerState) -> None:
        self._state = state

    def embed(self, pixels: NDArray[np.uint8]) -> Array:
        """Compute embeddings [N, 512], not normalised, of a few dozen photos [N, 224, 224, 3]."""
        images = (pixels / 255 - MEAN) / STD
        patches = images.reshape(-1, GRID, PATCH, GRID, PATCH, 3).transpose(0, 1, 3, 5, 2, 4)
        filters = self._weight("conv1.weight").reshape(WIDTH, -1)
        tokens = patches.reshape(len(pixels) * GRID * GRID, -1) @ filters.T
        tokens = tokens.reshape(len(pixels), GRID * GRID, WIDTH)
        class_token = np.broadcast_to(self._weight("class_embedding"), (len(pixels), 1, WIDTH))
        x = np.concatenate([class_token, tokens], axis=1) + self._weight("positional_embedding")
        x = self._layer_norm(x, "ln_pre")
        for layer in range(layer_count(self._state)):
            block = block_name(layer)
            x = x + self._attention(self._layer_norm(x, f"{block}.ln_1"), f"{block}.attn")
            x = x + self._mlp(self._layer_norm(x, f"{block}.ln_2"), f"{block}.mlp")
        return self._layer_norm(x[:, 0], "ln_post") @ self._weight("proj")

    def _weight(self, key: str) -> Array:
        return self._state[key].astype(np.float64)

    def _attention(self, x: Array, name: str) -> Array:
        merged = self._linear(x, f"{name}.in_proj_weight", f"{name}.in_proj_bias")
        heads = merged.reshape(*x.shape[:2], 3, HEADS, -1).transpose(2, 0, 3, 1, 4)
        queries, keys, values = heads
        scores = queries @ keys.swapaxes(-1, -2) / np.sqrt(queries.shape[-1])
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        mixed = (weights @ values).swapaxes(1, 2).reshape(x.shape)
        return self._linear(mixed, f"{name}.out_proj.weight", f"{name}.out_proj.bias")

    def _mlp(self, x: Array, name: str) -> Array:
        hidden = self._linear(x, f"{name}.c_fc.weight", f"{name}.c_fc.bias")
        sigmoid = (1 + np.tanh(QUICK_GELU / 2 * hidden)) / 2
        return self._linear(hidden * sigmoid, f"{name}.c_proj.weight", f"{name}.c_proj.bias")

    def _linear(self, x: Array, weight: str, bias: str) -> Array:
        # All tokens in one product: a product for each photo would take several times as long.
        rows = x.reshape(-1, x.shape[-1]) @ self._weight(weight).T + self._weight(bias)
        return rows.reshape(*x.shape[:-1], -1)

    def _layer_norm(self, x: Array, name: str) -> Array:
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = np.square(centred).mean(axis=-1, keepdims=True)
        normal = centred / np.sqrt(variance + LAYER_NORM_EPSILON)
        scaled: Array = normal * self._weight(f"{name}.weight")
        return scaled + self._weight(f"{name}.bias")
