"""Calibration: whether a probability of 0.8 comes true 8 times in 10, and how to make it so."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geograph_types_trainer.metrics import Flags, Floats, Values, logits, sigmoid

BINS: Final = 10
NEWTON_STEPS: Final = 50
CLOSE_ENOUGH: Final = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Mean probability and share of positives in B equal bins of probability, [C, B]."""

    promised: Values  # NaN in an empty bin
    observed: Values  # NaN in an empty bin
    rows: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Platt:
    """A straight line over each class's logits: scale and shift, [C]."""

    scale: Values
    shift: Values

    def apply(self, probabilities: Floats) -> Values:
        """Calibrate probabilities, [N, C]."""
        return sigmoid(logits(probabilities) * self.scale + self.shift)


def reliability(labels: Flags, probabilities: Floats, bins: int = BINS) -> Reliability:
    """Sort rows into bins of probability, [0, 1/B), ..., [1 - 1/B, 1], class by class."""
    classes = labels.shape[1]
    index = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    flat = (index + np.arange(classes) * bins).ravel()
    size = classes * bins
    rows = np.bincount(flat, minlength=size)
    promised = np.bincount(flat, probabilities.ravel().astype(np.float64), minlength=size)
    observed = np.bincount(flat, labels.ravel().astype(np.float64), minlength=size)
    below = np.where(rows > 0, rows, np.nan)
    shape = (classes, bins)
    return Reliability(
        (promised / below).reshape(shape), (observed / below).reshape(shape), rows.reshape(shape)
    )


def expected_calibration_error(found: Reliability) -> Values:
    """Average the gap between promised and observed over the rows, [C].

    Source: Guo et al., "On Calibration of Modern Neural Networks", 2017.
    """
    gaps = np.nan_to_num(np.abs(found.promised - found.observed)) * found.rows
    return np.asarray(gaps.sum(axis=1) / np.maximum(found.rows.sum(axis=1), 1), np.float64)


def fit_platt(labels: Flags, probabilities: Floats) -> Platt:
    """Fit a line over each class's logits by logistic regression, with Newton's method.

    A normal prior of width 1 around "leave it as it is" (scale 1, shift 0) keeps a class with few
    positives from being bent by them. Fit it on validation rows.

    Source: Platt, "Probabilistic Outputs for Support Vector Machines", 1999; the prior is ours.
    """
    fitted = [
        _fit_line(held, column)
        for held, column in zip(labels.T.astype(float), logits(probabilities).T, strict=True)
    ]
    scale, shift = np.array(fitted).T
    return Platt(scale, shift)


def _fit_line(held: Values, column: Values) -> Values:
    prior = np.array([1.0, 0.0])
    line = prior
    inputs = np.column_stack([column, np.ones_like(column)])
    loss = _loss(line, prior, inputs, held)
    for _ in range(NEWTON_STEPS):
        sure = sigmoid(inputs @ line)
        slope = inputs.T @ (sure - held) + (line - prior)
        curvature = (inputs * (sure * (1 - sure))[:, None]).T @ inputs + np.eye(2)
        step = np.linalg.solve(curvature, slope)
        while (lower := _loss(line - step, prior, inputs, held)) > loss:
            step = step / 2
        line, gain, loss = line - step, loss - lower, lower
        if gain <= CLOSE_ENOUGH * abs(loss):
            break
    return line


def _loss(line: Values, prior: Values, inputs: Values, held: Values) -> float:
    found = inputs @ line
    likelihood = np.logaddexp(0.0, found) - held * found
    return float(likelihood.sum() + 0.5 * np.sum((line - prior) ** 2))
