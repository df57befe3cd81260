"""What the products of the tower read when it looks at calibration photos."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from geograph_types_export.architecture import (
    GRID,
    HEADS,
    LAYER_NORM_EPSILON,
    LAYERS,
    PATCH,
    TOKENS,
    WIDTH,
)
from geograph_types_export.graphs.tower import PIXEL_SCALE, PIXEL_ZERO, Linear, Product, Tower

CLASS_TOKEN_WEIGHT: Final = 10
"""How often the class token stands among the rows, each patch being there once."""


@dataclass(frozen=True, slots=True, eq=False)
class BlockInputs:
    """Rows that the four products of a block read, each float32 [rows, inputs].

    In the last block, `out_proj`, `c_fc` and `c_proj` read the class token of each photo only.
    """

    in_proj: torch.Tensor
    out_proj: torch.Tensor
    c_fc: torch.Tensor
    c_proj: torch.Tensor


@torch.inference_mode()
def block_inputs(tower: Tower, pixels: NDArray[np.uint8]) -> Iterator[BlockInputs]:
    """Run a float32 tower over photos, block by block, and show what each product reads.

    Args:
        tower: as `folding.fold` gives it.
        pixels: uint8 [N, 224, 224, 3].

    Yields:
        The inputs of each block in turn.
    """
    stream = _embed_patches(tower, pixels)
    for index, block in enumerate(tower.blocks):
        class_only = index == LAYERS - 1
        normal_1 = _normalise(stream)
        attention = _attend(_apply(block.in_proj, normal_1), class_only=class_only)
        if class_only:
            stream = stream[:, :1]
        stream = stream + _apply(block.out_proj, attention)
        normal_2 = _normalise(stream)
        hidden = functional.silu(_apply(block.c_fc, normal_2))
        stream = stream + _apply(block.c_proj, hidden)
        yield BlockInputs(*(_rows(part) for part in (normal_1, attention, normal_2, hidden)))


def patch_rows(pixels: NDArray[np.uint8]) -> torch.Tensor:
    """Give what the patch product reads, float32 [N * 49, 3072].

    Args:
        pixels: uint8 [N, 224, 224, 3].
    """
    rows = torch.from_numpy(pixels).reshape(-1, GRID, PATCH, GRID, PATCH, 3).transpose(2, 3)
    return (rows.reshape(-1, PATCH * PATCH * 3).float() - PIXEL_ZERO) * PIXEL_SCALE


def _embed_patches(tower: Tower, pixels: NDArray[np.uint8]) -> torch.Tensor:
    rows = patch_rows(pixels).reshape(-1, GRID * GRID, PATCH * PATCH * 3)
    patches = functional.pad(_apply(tower.patches, rows), (0, 0, 1, 0))
    return functional.layer_norm(
        patches + torch.from_numpy(tower.positions),
        (WIDTH,),
        torch.from_numpy(tower.norm_weight),
        torch.from_numpy(tower.norm_bias),
        LAYER_NORM_EPSILON,
    )


def _rows(tokens: torch.Tensor) -> torch.Tensor:
    """[N, tokens, inputs] to rows, with more of the class token, from which the embedding comes."""
    more = tokens[:, :1].expand(-1, CLASS_TOKEN_WEIGHT - 1, -1)
    return torch.cat([tokens, more], dim=1).flatten(0, 1) if tokens.shape[1] > 1 else tokens[:, 0]


def _normalise(stream: torch.Tensor) -> torch.Tensor:
    return functional.layer_norm(stream, (WIDTH,), eps=LAYER_NORM_EPSILON)


def _attend(merged: torch.Tensor, *, class_only: bool) -> torch.Tensor:
    query, key, value = (
        part.reshape(-1, TOKENS, HEADS, WIDTH // HEADS).transpose(1, 2)
        for part in merged.chunk(3, dim=-1)
    )
    if class_only:
        query = query[:, :, :1]
    seen = functional.scaled_dot_product_attention(query, key, value)
    return seen.transpose(1, 2).flatten(2)


def _apply(product: Product, rows: torch.Tensor) -> torch.Tensor:
    if not isinstance(product, Linear):
        raise TypeError("calibration runs the float32 tower")
    weight, bias = torch.from_numpy(product.weight), torch.from_numpy(product.bias)
    return functional.linear(rows, weight.T, bias)
