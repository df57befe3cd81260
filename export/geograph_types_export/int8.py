"""The whole tower in 8-bit integers, but for the blocks that are kept in float32."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geograph_types_export.architecture import WIDTH
from geograph_types_export.calibration import BlockInputs, block_inputs, patch_rows
from geograph_types_export.quantise import Fitted, fit_patches, fit_product
from geograph_types_export.tower import (
    Block,
    Linear,
    Product,
    Tower,
)

__all__ = ["QuantisedTower", "block_name", "quantise_tower"]

VALUES: Final = slice(2 * WIDTH, 3 * WIDTH)


def block_name(block: int) -> str:
    """Give a block's name in the graph."""
    return f"visual.transformer.resblocks.{block}"


@dataclass(frozen=True, slots=True, eq=False)
class QuantisedTower:
    """A tower in two forms with the same smoothing, so that their blocks can be mixed.

    Attributes:
        exact: in float32; computes what the tower did before smoothing.
        quantised: every product but the last projection, which is small, in 8-bit integers.
    """

    exact: Tower
    quantised: Tower

    def keeping(self, indices: Collection[int]) -> Tower:
        """Give the quantised tower with the products of these blocks in float32."""
        blocks = tuple(
            exact if index in indices else quantised
            for index, (exact, quantised) in enumerate(
                zip(self.exact.blocks, self.quantised.blocks, strict=True)
            )
        )
        return replace(self.quantised, blocks=blocks)


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
