"""The image tower as the graph multiplies by it, in any precision."""

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

PIXEL_ZERO: Final = 128
PIXEL_SCALE: Final = 1 / 64
"""The patch product reads `(pixel - 128) / 64`: within -2 to 2, and exact even in float16."""

Floats: TypeAlias = NDArray[np.float32] | NDArray[np.float16]


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """A product `x @ weight + bias` in floating point."""

    weight: Floats  # [inputs, outputs]
    bias: Floats  # [outputs]

    def columns(self, part: slice) -> "Linear":
        """Return some of the outputs."""
        return Linear(self.weight[:, part], self.bias[part])


@dataclass(frozen=True, slots=True, eq=False)
class RoundedLinear:
    """A product in float32 whose weights are stored as integers, with a step for each group."""

    weight: NDArray[np.int8]  # [groups, inputs / groups, outputs], symmetric
    scale: NDArray[np.float32]  # of the weights, [groups, 1, outputs]
    bias: NDArray[np.float32]  # [outputs]

    def columns(self, part: slice) -> "RoundedLinear":
        """Return some of the outputs."""
        return RoundedLinear(self.weight[..., part], self.scale[..., part], self.bias[part])


@dataclass(frozen=True, slots=True, eq=False)
class QuantisedLinear:
    """A product of 8-bit integers, `scale * (q(x) @ weight) + bias`."""

    weight: NDArray[np.int8]  # [inputs, outputs], symmetric
    scale: NDArray[np.float32]  # of the weights, [outputs]
    bias: NDArray[np.float32]  # [outputs]
    input_scale: float  # one step of the input, the same for every photo
    input_zero: int  # the uint8 value that stands for 0

    def columns(self, part: slice) -> "QuantisedLinear":
        """Return some of the outputs."""
        return QuantisedLinear(
            self.weight[:, part],
            self.scale[part],
            self.bias[part],
            self.input_scale,
            self.input_zero,
        )


Product: TypeAlias = Linear | RoundedLinear | QuantisedLinear


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """One residual block, its products named as the model's layers."""

    norm_1: Floats  # [768]; factors of the first normalisation: 1 unless smoothing set them
    in_proj: Product  # [768, 2304]; queries, keys, values
    out_proj: Product  # [768, 768]; reads the attention
    norm_2: Floats  # [768]; factors of the second normalisation, likewise
    c_fc: Product  # [768, 3072]; computes `y`, 1.702 times the hidden layer
    hidden: Floats  # [3072]; factors of `y * sigmoid(y)`, likewise
    c_proj: Product  # [3072, 768]; reads that


@dataclass(frozen=True, slots=True, eq=False)
class Tower:
    """The whole image tower."""

    # [3072, 768]; reads the pixels of one patch as `(pixel - 128) / 64`, in the order (row of the
    # patch, column, colour).
    patches: Product
    positions: Floats  # [50, 768]; added to the patches; all there is for the class token
    norm_weight: Floats  # [768]; of the normalisation before the blocks
    norm_bias: Floats  # [768]
    blocks: tuple[Block, ...]  # twelve, but for tests
    projection: Linear  # [768, 512]; reads the last normalisation of the class token
