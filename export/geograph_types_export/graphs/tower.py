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
    """A product `x @ weight + bias` in floating point.

    Attributes:
        weight: [inputs, outputs].
        bias: [outputs].
    """

    weight: Floats
    bias: Floats

    def columns(self, part: slice) -> "Linear":
        """Give some of the outputs."""
        return Linear(self.weight[:, part], self.bias[part])


@dataclass(frozen=True, slots=True, eq=False)
class RoundedLinear:
    """A product in float32 whose weights are stored as integers, with a step for each group.

    Attributes:
        weight: int8 [groups, inputs / groups, outputs], symmetric.
        scale: float32 [groups, 1, outputs]; of the weights.
        bias: float32 [outputs].
    """

    weight: NDArray[np.int8]
    scale: NDArray[np.float32]
    bias: NDArray[np.float32]

    def columns(self, part: slice) -> "RoundedLinear":
        """Give some of the outputs."""
        return RoundedLinear(self.weight[..., part], self.scale[..., part], self.bias[part])


@dataclass(frozen=True, slots=True, eq=False)
class QuantisedLinear:
    """A product of 8-bit integers, `scale * (q(x) @ weight) + bias`.

    Attributes:
        weight: int8 [inputs, outputs], symmetric.
        scale: float32 [outputs]; of the weights.
        bias: float32 [outputs].
        input_scale: one step of the input, the same for every photo.
        input_zero: the uint8 value that stands for 0.
    """

    weight: NDArray[np.int8]
    scale: NDArray[np.float32]
    bias: NDArray[np.float32]
    input_scale: float
    input_zero: int

    def columns(self, part: slice) -> "QuantisedLinear":
        """Give some of the outputs."""
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
    """One residual block, its products named as the model's layers.

    Attributes:
        norm_1: [768]; factors of the first normalisation: 1 but where smoothing set them.
        in_proj: [768, 2304]; queries, keys, values.
        out_proj: [768, 768]; reads the attention.
        norm_2: [768]; factors of the second normalisation.
        c_fc: [768, 3072]; gives `y`, 1.702 times the hidden layer.
        hidden: [3072]; factors of `y * sigmoid(y)`: 1 but where smoothing set them.
        c_proj: [3072, 768]; reads that.
    """

    norm_1: Floats
    in_proj: Product
    out_proj: Product
    norm_2: Floats
    c_fc: Product
    hidden: Floats
    c_proj: Product


@dataclass(frozen=True, slots=True, eq=False)
class Tower:
    """The whole image tower.

    Attributes:
        patches: [3072, 768]; reads the pixels of one patch as `(pixel - 128) / 64`, in the order
            (row of the patch, column, colour).
        positions: [50, 768]; added to the patches; for the class token it is all there is.
        norm_weight: [768], of the normalisation before the blocks.
        norm_bias: [768], of the same.
        blocks: twelve.
        projection: [768, 512]; reads the last normalisation of the class token.
    """

    patches: Product
    positions: Floats
    norm_weight: Floats
    norm_bias: Floats
    blocks: tuple[Block, ...]
    projection: Linear
