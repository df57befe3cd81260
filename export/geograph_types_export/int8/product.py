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
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geograph_types_export.graphs.tower import (
    PIXEL_SCALE,
    PIXEL_ZERO,
    Floats,
    Linear,
    QuantisedLinear,
    RoundedLinear,
)
from geograph_types_export.int8.rounding import round_weights

Array = NDArray[np.float32]

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
    """A product in both forms, and what the input of each has to be divided by."""

    product: QuantisedLinear
    factors: Array  # [inputs]; 1 where there is no smoothing
    rounded: RoundedLinear  # its weights alone are integers
    rounded_factors: Array


@dataclass(frozen=True, slots=True, eq=False)
class _Choice:
    factors: Array
    share: float = 1.0


def fit_product(linear: Linear, rows: Array, *, worth: float = 1.0, bound: bool = False) -> Fitted:
    """Quantise a product.

    Args:
        linear: in float32.
        rows: float32 [rows, inputs]; what it reads on the calibration photos.
        worth: the input is divided by factors where that brings the error below this share of
            what it is without.
        bound: the factors go into another product, so that both forms have the same.
    """
    weight = linear.weight.astype(np.float32)
    trial = _Trial(weight, rows[:: max(1, len(rows) // TRIAL_ROWS)])
    smooth = _smoothing(trial, rows, worth)
    best = trial.best([smooth, *(replace(smooth, share=share) for share in SHARES)])
    inputs, smoothed = rows / best.factors, weight * best.factors[:, None]
    unit, zero = _input_steps(inputs, best.share)
    scale = _output_scale(smoothed, linear.bias, unit)
    steps = round_weights(smoothed, scale, WEIGHT_LIMIT, inputs)
    error = rows.mean(axis=0) @ weight - _quantised(inputs, unit, zero).mean(axis=0) @ steps * scale
    product = QuantisedLinear(
        weight=steps.astype(np.int8),
        scale=scale,
        bias=linear.bias.astype(np.float32) + error,
        input_scale=unit,
        input_zero=zero,
    )
    choices = [best.factors] if bound else [best.factors, np.ones_like(best.factors)]
    return Fitted(product, best.factors, *_round_best(linear, trial, rows.mean(axis=0), choices))


def fit_patches(patches: Linear, rows: Array) -> QuantisedLinear:
    """Quantise the weights of the patch product; its input, pixels, is integers already.

    The rows, float32 [rows, 3072], are patches of calibration photos as `(pixel - 128) / 64`.
    """
    weight = patches.weight.astype(np.float32)
    scale = _output_scale(weight, patches.bias, PIXEL_SCALE)
    steps = round_weights(weight, scale, WEIGHT_LIMIT, rows)
    return QuantisedLinear(
        weight=steps.astype(np.int8),
        scale=scale,
        bias=patches.bias.astype(np.float32) + rows.mean(axis=0) @ (weight - steps * scale),
        input_scale=PIXEL_SCALE,
        input_zero=PIXEL_ZERO,
    )


class _Trial:
    """A product on a few rows, to compare choices by."""

    def __init__(self, weight: Array, rows: Array) -> None:
        self.weight = weight
        self.rows = rows
        self.exact = rows @ weight

    def error(self, result: Array) -> float:
        """Return the mean square error of a result, its mean taken off."""
        return float((self.exact - result).var(axis=0).mean())

    def cost(self, choice: _Choice) -> float:
        """Return the error with weights rounded to the nearest."""
        smoothed, inputs = self.weight * choice.factors[:, None], self.rows / choice.factors
        scale = _weight_scale(smoothed)
        read = _quantised(inputs, *_input_steps(inputs, choice.share))
        return self.error((read @ np.rint(smoothed / scale)) * scale)

    def best(self, choices: Sequence[_Choice]) -> _Choice:
        """Return the choice of the least error."""
        return min(choices, key=self.cost)


def _smoothing(trial: _Trial, rows: Array, worth: float) -> _Choice:
    """Choose the strength of the smoothing, none unless it is worth it."""
    plain = _Choice(np.ones(len(trial.weight), np.float32))
    smoothed = trial.best([_Choice(_factors(trial.weight, rows, s)) for s in STRENGTHS])
    return smoothed if trial.cost(smoothed) < worth * trial.cost(plain) else plain


def _factors(weight: Array, rows: Array, strength: float) -> Array:
    largest_input = np.abs(rows).max(axis=0).clip(1e-6)
    largest_weight = np.abs(weight).max(axis=1).clip(1e-6)
    factors = largest_input**strength / largest_weight ** (1 - strength)
    return np.asarray(factors / np.exp(np.log(factors).mean()), np.float32)


def _weight_scale(weight: Array, limit: int = WEIGHT_LIMIT) -> Array:
    """Return the size of a step for each output (and group): [..., inputs, outputs] to one row."""
    largest = np.abs(weight).max(axis=-2, keepdims=weight.ndim > 2)
    return np.asarray(largest.clip(1e-12) / limit, np.float32)


def _output_scale(weight: Array, bias: Floats, unit: float) -> Array:
    """Return the size of a step for each output, large enough for its bias to be a number of them.

    The bias is added to sums of 32 bits. Where it would not fit, the weights are next to nothing
    beside it, and may round to 0.
    """
    least = np.abs(bias) / (unit * BIAS_LIMIT)
    return np.maximum(_weight_scale(weight), least.astype(np.float32))


def _input_steps(inputs: Array, share: float) -> tuple[float, int]:
    low = min(float(inputs.min()) * share, 0.0)
    high = max(float(inputs.max()) * share, 0.0)
    unit = max((high - low) / STEPS, 1e-12)
    return unit, round(-low / unit)


def _quantised(inputs: Array, unit: float, zero: int) -> Array:
    steps = np.rint(inputs / unit).clip(-zero, STEPS - zero)
    return np.asarray(steps * unit, np.float32)


def _round_best(
    linear: Linear, trial: _Trial, mean: Array, choices: Sequence[Array]
) -> tuple[RoundedLinear, Array]:
    """Round the weights alone, with those factors that leave the least error.

    Smoothing gives the weights of large channels finer steps, and may leave too few to the rest of
    their group.
    """

    def error(tried: tuple[RoundedLinear, Array]) -> float:
        product, factors = tried
        weight = (product.weight * product.scale).reshape(trial.weight.shape)
        return trial.error(trial.rows / factors @ weight)

    return min(((_round(linear, mean, factors), factors) for factors in choices), key=error)


def _round(linear: Linear, mean: Array, factors: Array) -> RoundedLinear:
    """Round weights to the nearest step; a large one coarsens its own group only.

    The mean, [inputs], is that of the rows that the product reads.
    """
    smoothed = (linear.weight * factors[:, None]).astype(np.float32)
    weight = smoothed.reshape(-1, GROUP, smoothed.shape[1])
    scale = _weight_scale(weight, ROUNDED_LIMIT)
    steps = np.rint(weight / scale)
    error = (mean / factors) @ (weight - steps * scale).reshape(smoothed.shape)
    return RoundedLinear(steps.astype(np.int8), scale, linear.bias.astype(np.float32) + error)
