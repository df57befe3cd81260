"""The tower in float16, for graphics processors."""

from dataclasses import replace

import numpy as np

from geograph_types_export.graphs.tower import Block, Floats, Linear, Product, Tower


def half_tower(tower: Tower) -> Tower:
    """Round every array to float16.

    Args:
        tower: in float32, as `folding.fold` gives it.
    """
    return replace(
        tower,
        patches=_half(tower.patches),
        positions=_array(tower.positions),
        norm_weight=_array(tower.norm_weight),
        norm_bias=_array(tower.norm_bias),
        blocks=tuple(_block(block) for block in tower.blocks),
        projection=_half(tower.projection),
    )


def _block(block: Block) -> Block:
    return Block(
        norm_1=_array(block.norm_1),
        in_proj=_half(block.in_proj),
        out_proj=_half(block.out_proj),
        norm_2=_array(block.norm_2),
        c_fc=_half(block.c_fc),
        hidden=_array(block.hidden),
        c_proj=_half(block.c_proj),
    )


def _half(product: Product) -> Linear:
    if not isinstance(product, Linear):
        raise TypeError("only a float32 tower can be rounded to float16")
    return Linear(_array(product.weight), _array(product.bias))


def _array(values: Floats) -> Floats:
    return values.astype(np.float16)
