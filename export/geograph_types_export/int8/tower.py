"""The whole tower in 8-bit integers, but for the products that are kept in float32."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from geograph_types_export.architecture import LAYERS, WIDTH, block_name
from geograph_types_export.graphs.tower import (
    Block,
    Floats,
    Linear,
    Product,
    Tower,
)
from geograph_types_export.int8.inputs import BlockInputs, block_inputs, patch_rows
from geograph_types_export.int8.product import Fitted, fit_patches, fit_product

MULTIPLICATION: Final = 0.6
"""What is left of a product's error where dividing its input by factors is worth an operation of
its own: the hidden layer comes from a function that factors cannot be moved through."""

VALUES: Final = slice(2 * WIDTH, 3 * WIDTH)

PARTS: Final = {
    "in_proj": "attn.in_proj",
    "out_proj": "attn.out_proj",
    "c_fc": "mlp.c_fc",
    "c_proj": "mlp.c_proj",
}
"""The four products of a block, and their names in the graph."""

FACTORS: Final = {"in_proj": "norm_1", "c_fc": "norm_2", "c_proj": "hidden"}
"""Where the factors of a product's input are, if they are not in another product."""

Divided: TypeAlias = tuple[Product, Floats]
"""A product, and what its input has to be divided by."""


def product_names(layers: int = LAYERS) -> tuple[str, ...]:
    """Return the products that can be kept in float32, by their names in the graph."""
    return tuple(_product_name(block, part) for block in range(layers) for part in PARTS)


def _product_name(block: int, part: str) -> str:
    return f"visual.{block_name(block)}.{PARTS[part]}"


@dataclass(frozen=True, slots=True, eq=False)
class QuantisedTower:
    """A tower in two forms whose products can be mixed."""

    quantised: Tower  # every product but the last projection, which is small, in 8-bit integers
    rounded: Tower  # weights in 8-bit integers, products in float32; smoothed as is best for each

    @property
    def products(self) -> tuple[str, ...]:
        """The products that can be kept in float32."""
        return product_names(len(self.quantised.blocks))

    def keeping(self, names: Collection[str]) -> Tower:
        """Return the quantised tower with these of `products` computed in float32."""
        return replace(
            self.quantised,
            blocks=tuple(
                _mixed(index, quantised, rounded, names)
                for index, (quantised, rounded) in enumerate(
                    zip(self.quantised.blocks, self.rounded.blocks, strict=True)
                )
            ),
        )


def _mixed(index: int, quantised: Block, rounded: Block, names: Collection[str]) -> Block:
    fields = [
        field
        for part in PARTS
        if _product_name(index, part) in names
        for field in (part, FACTORS.get(part))
        if field is not None
    ]
    taken: dict[str, Any] = {field: getattr(rounded, field) for field in fields}
    return replace(quantised, **taken)


def quantise_tower(tower: Tower, model: ModelProto, pixels: NDArray[np.uint8]) -> QuantisedTower:
    """Quantise a float32 tower, whose graph is `model`, on calibration photos [N, 224, 224, 3]."""
    inputs = block_inputs(model, len(tower.blocks), pixels)
    pairs = [_quantise_block(*pair) for pair in zip(tower.blocks, inputs, strict=True)]
    return QuantisedTower(
        quantised=replace(
            tower,
            patches=fit_patches(_linear(tower.patches), patch_rows(pixels)),
            blocks=tuple(quantised for quantised, _ in pairs),
        ),
        rounded=replace(tower, blocks=tuple(rounded for _, rounded in pairs)),
    )


def _quantise_block(block: Block, inputs: BlockInputs) -> tuple[Block, Block]:
    """Return the block quantised, and with its weights alone rounded."""
    out_proj = fit_product(_linear(block.out_proj), inputs.out_proj, bound=True)
    in_proj = fit_product(_divide_values(_linear(block.in_proj), out_proj), inputs.in_proj)
    c_fc = fit_product(_linear(block.c_fc), inputs.c_fc)
    c_proj = fit_product(_linear(block.c_proj), inputs.c_proj, worth=MULTIPLICATION)
    fitted = (in_proj, out_proj, c_fc, c_proj)
    return (
        _assembled(*((part.product, part.factors) for part in fitted)),
        _assembled(*((part.rounded, part.rounded_factors) for part in fitted)),
    )


def _assembled(in_proj: Divided, out_proj: Divided, c_fc: Divided, c_proj: Divided) -> Block:
    """Return a block of its products; what `out_proj` reads is divided in `in_proj`."""
    return Block(
        norm_1=np.reciprocal(in_proj[1]),
        in_proj=in_proj[0],
        out_proj=out_proj[0],
        norm_2=np.reciprocal(c_fc[1]),
        c_fc=c_fc[0],
        hidden=np.reciprocal(c_proj[1]),
        c_proj=c_proj[0],
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
