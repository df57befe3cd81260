"""Turn a float32 product into one of 8-bit integers, fitted to what it reads.

Weights get one scale for each output, inputs one fixed scale for all photos, so that a photo's
vector does not depend on its batch. What is left free is chosen for each product by the error of
its result on calibration rows:

* smoothing: input channels that are much larger than the rest would leave it few steps. They are
  divided by a factor, and their row of weights multiplied by it, which is exact; the factors go
  into what computes the input, or cost a multiplication of their own and have to be worth it.
  (Xiao et al., SmoothQuant, 2022)
* range: rare large inputs may be cut off where the finer steps gain more.
* bias: the mean error of each output is taken off. (Nagel et al., 2019)
* rounding: see `rounding`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from geograph_types_export.graphs.tower import (
    PIXEL_SCALE,
    PIXEL_ZERO,
    Floats,
    Linear,
    QuantisedLinear,
    RoundedLinear,
)
from geograph_types_export.int8.rounding import round_weights

WEIGHT_LIMIT: Final = 64
"""Largest integer weight. Processors without VNNI sum pairs of products in 16 bits and cut off
what is larger: 2 * 255 * 64 = 32640 never is, so the file is right on every processor."""
ROUNDED_LIMIT: Final = 127
"""Largest integer weight where the product itself is computed in float32."""
GROUP: Final = 64
"""Inputs whose weights share a step there."""
BIAS_LIMIT: Final = 1 << 30
STEPS: Final = 255
TRIAL_ROWS: Final = 512
"""Rows on which choices are compared; all rows decide the rounding."""

STRENGTHS: Final = (0.4, 0.55, 0.7)
"""Of the smoothing: the share of a channel's range that moves into the weights."""
SHARES: Final = (0.85, 0.7, 0.55)
"""Of the largest input, at which the steps may end."""


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A quantised product, and what its input has to be divided by.

    Attributes:
        product: reads the divided input.
        factors: float32 [inputs]; 1 where there is no smoothing.
        rounded: the product with its weights alone rounded.
        rounded_factors: what the input of that has to be divided by.
    """

    product: QuantisedLinear
    factors: Floats
    rounded: RoundedLinear
    rounded_factors: Floats


@torch.inference_mode()
def fit_product(
    linear: Linear, rows: torch.Tensor, *, worth: float = 1.0, bound: bool = False
) -> Fitted:
    """Quantise a product.

    Args:
        linear: in float32.
        rows: float32 [rows, inputs]; what it reads on the calibration photos.
        worth: the input is divided by factors where that brings the error below this share of
            what it is without.
        bound: the factors go into another product, so that both forms have the same.
    """
    weight = torch.from_numpy(np.ascontiguousarray(linear.weight))
    few = rows[:: max(1, len(rows) // TRIAL_ROWS)]
    best = _smoothing(weight, rows, few, worth)
    ranges = [best, *(_Choice(best.factors, share) for share in SHARES)]
    best = min(ranges, key=lambda choice: _error(weight, few, choice))
    inputs, smoothed = rows / best.factors, weight * best.factors[:, None]
    unit, zero = _input_steps(inputs, best.share)
    scale = _output_scale(smoothed, linear.bias, unit)
    steps = round_weights(smoothed, scale, WEIGHT_LIMIT, inputs)
    result = (_quantised(inputs, unit, zero) @ steps) * scale
    bias = (inputs @ smoothed - result).mean(dim=0)
    product = QuantisedLinear(
        weight=steps.to(torch.int8).numpy(),
        scale=scale.numpy(),
        bias=linear.bias.astype(np.float32) + bias.numpy(),
        input_scale=unit,
        input_zero=zero,
    )
    factors: Floats = best.factors.numpy()
    choices = [factors] if bound else [factors, np.ones_like(factors)]
    rounded = _round_best(linear, rows, choices)
    return Fitted(product, factors, *rounded)


def _round_best(
    linear: Linear, rows: torch.Tensor, choices: Sequence[Floats]
) -> tuple[RoundedLinear, Floats]:
    """Round the weights alone, with those factors that leave the least error.

    Smoothing gives the weights of large channels finer steps, and may leave too few to the rest of
    their group.
    """
    few = rows[:: max(1, len(rows) // TRIAL_ROWS)]
    exact = few @ torch.from_numpy(linear.weight)

    def error(product: RoundedLinear, factors: Floats) -> float:
        weight = torch.from_numpy(product.weight * product.scale).flatten(0, 1)
        return float((few / torch.from_numpy(factors) @ weight - exact).var(dim=0).mean())

    tried = [(_round(linear, rows, factors), factors) for factors in choices]
    return min(tried, key=lambda choice: error(*choice))


def _round(linear: Linear, rows: torch.Tensor, factors: Floats) -> RoundedLinear:
    """Round weights to the nearest step; a large one coarsens its own group only."""
    smoothed = torch.from_numpy(linear.weight * factors[:, None])
    weight = smoothed.reshape(-1, GROUP, smoothed.shape[1])
    scale = _weight_scale(weight, ROUNDED_LIMIT)
    steps = (weight / scale).round()
    inputs = (rows / torch.from_numpy(factors)).mean(dim=0)
    bias = inputs @ (weight - steps * scale).flatten(0, 1)
    return RoundedLinear(
        weight=steps.to(torch.int8).numpy(),
        scale=scale.numpy(),
        bias=linear.bias.astype(np.float32) + bias.numpy(),
    )


@torch.inference_mode()
def fit_patches(patches: Linear, rows: torch.Tensor) -> QuantisedLinear:
    """Quantise the weights of the patch product; its input, pixels, is integers already.

    Args:
        patches: in float32.
        rows: float32 [rows, 3072]; patches of calibration photos as `(pixel - 128) / 64`.
    """
    weight = torch.from_numpy(patches.weight)
    scale = _output_scale(weight, patches.bias, PIXEL_SCALE)
    steps = round_weights(weight, scale, WEIGHT_LIMIT, rows)
    bias = (rows @ (weight - steps * scale)).mean(dim=0)
    return QuantisedLinear(
        weight=steps.to(torch.int8).numpy(),
        scale=scale.numpy(),
        bias=patches.bias.astype(np.float32) + bias.numpy(),
        input_scale=PIXEL_SCALE,
        input_zero=PIXEL_ZERO,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Choice:
    factors: torch.Tensor
    share: float


def _smoothing(
    weight: torch.Tensor, rows: torch.Tensor, few: torch.Tensor, worth: float
) -> _Choice:
    """Choose the strength of the smoothing, none unless it is worth it."""
    plain = _Choice(torch.ones(len(weight)), 1.0)
    choices = [_Choice(_factors(weight, rows, strength), 1.0) for strength in STRENGTHS]
    errors = [_error(weight, few, choice) for choice in choices]
    least = min(errors)
    return choices[errors.index(least)] if least < worth * _error(weight, few, plain) else plain


def _factors(weight: torch.Tensor, rows: torch.Tensor, strength: float) -> torch.Tensor:
    largest_input = rows.abs().amax(dim=0).clamp(min=1e-6)
    largest_weight = weight.abs().amax(dim=1).clamp(min=1e-6)
    factors = largest_input**strength / largest_weight ** (1 - strength)
    return factors / factors.log().mean().exp()


def _error(weight: torch.Tensor, rows: torch.Tensor, choice: _Choice) -> float:
    """Mean square error of the result, its mean taken off, with weights rounded to the nearest."""
    smoothed, inputs = weight * choice.factors[:, None], rows / choice.factors
    scale = _weight_scale(smoothed)
    read = _quantised(inputs, *_input_steps(inputs, choice.share))
    difference = inputs @ smoothed - (read @ (smoothed / scale).round()) * scale
    return float(difference.var(dim=0).mean())


def _weight_scale(weight: torch.Tensor, limit: int = WEIGHT_LIMIT) -> torch.Tensor:
    """Give the size of a step for each output (and group): [..., inputs, outputs] to one row."""
    scale = weight.abs().amax(dim=-2, keepdim=weight.ndim > 2)
    return scale.clamp(min=1e-12) / limit


def _output_scale(weight: torch.Tensor, bias: Floats, unit: float) -> torch.Tensor:
    """Give the size of a step for each output, large enough for its bias to be a number of them.

    The bias is added to sums of 32 bits. Where it would not fit, the weights are next to nothing
    beside it, and may round to 0.
    """
    least = torch.from_numpy(np.abs(bias).astype(np.float32)) / (unit * BIAS_LIMIT)
    return torch.maximum(_weight_scale(weight), least)


def _input_steps(inputs: torch.Tensor, share: float) -> tuple[float, int]:
    low = min(float(inputs.min()) * share, 0.0)
    high = max(float(inputs.max()) * share, 0.0)
    unit = max((high - low) / STEPS, 1e-12)
    return unit, round(-low / unit)


def _quantised(inputs: torch.Tensor, unit: float, zero: int) -> torch.Tensor:
    return ((inputs / unit).round().add(zero).clamp(0, STEPS) - zero) * unit
