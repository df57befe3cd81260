"""The fewest operations and bytes that the encoder takes, counted from its architecture."""

import math
from dataclasses import dataclass
from typing import Final

from geograph_types.embedding import EMBEDDING_DIMENSION
from geograph_types.preprocess import CROP
from geograph_types_export.architecture import (
    GRID,
    HIDDEN,
    LAYERS,
    PATCH,
    TOKENS,
    WIDTH,
    tower_shapes,
)

PATCHES: Final = GRID * GRID
COLOURS: Final = 3
BYTES_A_WEIGHT: Final = {"fp32": 4, "int8": 1}
MATRIX: Final = 2
"""Dimensions from which a tensor is a matrix; what has fewer stays in float32."""


@dataclass(frozen=True, slots=True)
class Product:
    """A matrix product, [rows, inputs] times [inputs, outputs], some times for each photo."""

    rows: int
    inputs: int
    outputs: int
    times: int

    @property
    def multiplications(self) -> int:
        """Multiply-and-add steps for one photo."""
        return self.rows * self.inputs * self.outputs * self.times


def products() -> tuple[Product, ...]:
    """List all products for one photo.

    The last block's result is read at the class token alone: keys and values are computed for every
    token, all else for one. Attention's products of all heads together are as wide as the model.
    """
    full = LAYERS - 1
    return (
        Product(PATCHES, COLOURS * PATCH * PATCH, WIDTH, 1),
        Product(TOKENS, WIDTH, 3 * WIDTH, full),
        Product(TOKENS, WIDTH, TOKENS, 2 * full),
        Product(TOKENS, WIDTH, WIDTH, full),
        Product(TOKENS, WIDTH, HIDDEN, 2 * full),
        Product(TOKENS, WIDTH, 2 * WIDTH, 1),
        Product(1, WIDTH, TOKENS, 2),
        Product(1, WIDTH, WIDTH, 2),
        Product(1, WIDTH, HIDDEN, 2),
        Product(1, WIDTH, EMBEDDING_DIMENSION, 1),
    )


def multiplications() -> int:
    """Count multiply-and-add steps for one photo, in products alone."""
    return sum(product.multiplications for product in products())


def bytes_moved(precision: str, batch: int) -> float:
    """Count bytes between memory and processor for one photo of a batch.

    Every weight is read once for the batch, pixels are read, embeddings written; everything between
    stays in the cache.
    """
    weights = sum(
        math.prod(shape) * (BYTES_A_WEIGHT[precision] if len(shape) >= MATRIX else 4)
        for shape in tower_shapes().values()
    )
    return weights / batch + CROP * CROP * COLOURS + 4 * EMBEDDING_DIMENSION
