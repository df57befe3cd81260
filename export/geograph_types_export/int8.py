"""The whole tower in 8-bit integers, but for the products that are kept in float32."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geograph_types_export.architecture import LAYERS, WIDTH
from geograph_types_export.calibration import BlockInputs, block_inputs, patch_rows
from geograph_types_export.quantise import Fitted, fit_patches, fit_product
from geograph_types_export.tower import (
    Block,
    Linear,
    Product,
    Tower,
)

__all__ = ["PRODUCTS", "ProductName", "QuantisedTower", "quantise_tower"]

VALUES: Final = slice(2 * WIDTH, 3 * WIDTH)


@dataclass(frozen=True, slots=True, order=True)
class ProductName:
    """One product of the tower.

    Attributes:
        block: 0 to 11.
        layer: `in_proj`, `out_proj`, `c_fc` or `c_proj`.
    """

    block: int
    layer: str

    def __str__(self) -> str:
        """Give its name in the graph."""
        part = "mlp" if self.layer.startswith("c_") else "attn"
        return f"visual.transformer.resblocks.{self.block}.{part}.{self.layer}"


PRODUCTS: Final = tuple(
    ProductName(block, layer)
    for block in range(LAYERS)
    for layer in ("in_proj", "out_proj", "c_fc", "c_proj")
)
"""Every product that can be kept in float32."""


@dataclass(frozen=True, slots=True, eq=False)
class QuantisedTower:
    """A tower in two forms with the same smoothing, so that their products can be mixed.

    Attributes:
        exact: in float32; computes what the tower did before smoothing.
        quantised: every product but the last projection, which is small, in 8-bit integers.
    """

    exact: Tower
    quantised: Tower

    def keeping(self, names: Collection[ProductName]) -> Tower:
        """Give the quantised tower with these products in float32."""
        blocks = list(self.quantised.blocks)
        for name in names:
            product = getattr(self.exact.blocks[name.block], name.layer)
            blocks[name.block] = replace(blocks[name.block], **{name.layer: product})
        return replace(self.quantised, blocks=tuple(blocks))


def quantise_tower(tower: Tower, pixels: NDArray[np.uint8]) -> QuantisedTower:
    """Quantise a tower on calibration photos.

    Args:
        tower: in float32, as `folding.fold` gives it.
        pixels: uint8 [N, 224, 224, 3].
    """
    pairs = [
        _quantise_block(block, inputs)
        for block, inputs in zip(tower.blocks, block_inputs(tower, pixels), strict=True)
    ]
    return QuantisedTower(
        exact=replace(tower, blocks=tuple(exact for exact, _ in pairs)),
        quantised=replace(
            tower,
            patches=fit_patches(_linear(tower.patches), patch_rows(pixels)),
            blocks=tuple(quantised for _, quantised in pairs),
        ),
    )


def _quantise_block(block: Block, inputs: BlockInputs) -> tuple[Block, Block]:
    """Give the block in float32 and quantised, with the same factors."""
    out_proj = fit_product(_linear(block.out_proj), inputs.out_proj, smooth=True)
    divided = _divide_values(_linear(block.in_proj), out_proj)
    in_proj = fit_product(divided, inputs.in_proj, smooth=True)
    c_fc = fit_product(_linear(block.c_fc), inputs.c_fc, smooth=True)
    c_proj = fit_product(_linear(block.c_proj), inputs.c_proj, smooth=False)
    norm_1, norm_2 = np.reciprocal(in_proj.factors), np.reciprocal(c_fc.factors)
    return (
        Block(norm_1, in_proj.exact, out_proj.exact, norm_2, c_fc.exact, c_proj.exact),
        Block(norm_1, in_proj.product, out_proj.product, norm_2, c_fc.product, c_proj.product),
    )


def _divide_values(in_proj: Linear, out_proj: Fitted) -> Linear:
    """Divide the values by the factors of the product that reads their averages."""
    weight, bias = in_proj.weight.copy(), in_proj.bias.copy()
    weight[:, VALUES] /= out_proj.factors
    bias[VALUES] /= out_proj.factors
    return Linear(weight, bias)


def _linear(product: Product) -> Linear:
    if not isinstance(product, Linear):
        raise TypeError("only a float32 tower can be quantised")
    return product
