"""Calibration: whether a probability of 0.8 comes true 8 times in 10, and how to make it so."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geograph_types.distance.distance import UNKNOWN_BUCKET, Distance
from geograph_types_trainer.evaluation.results import ReliabilityBin
from geograph_types_trainer.labels import FAR_METRES
from geograph_types_trainer.metrics import Flags, Floats, Values, logits, sigmoid

BINS: Final = 10
NEWTON_STEPS: Final = 50
CLOSE_ENOUGH: Final = 1e-10
FAR_BUCKET: Final = Distance.from_metres(FAR_METRES).bucket


@dataclass(frozen=True, slots=True, eq=False)
class Platt:
    """A straight line over each class's logits, one step higher or lower for far distances: [C].

    The label Cross Far exists beyond 256 m only, whatever the picture shows.
    """

    scale: Values
    shift: Values
    step: Values

    def shifts(self, buckets: NDArray[np.int64]) -> Values:
        """Return what is added to the scaled logits at distance buckets [N]: [N, C]."""
        return np.asarray(self.shift + _far(buckets)[:, None] * self.step, np.float64)

    def apply(self, probabilities: Floats, buckets: NDArray[np.int64]) -> Values:
        """Calibrate probabilities, [N, C], at distance buckets [N]."""
        return sigmoid(logits(probabilities) * self.scale + self.shifts(buckets))


def _far(buckets: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Find the known distances beyond 256 m; buckets are whole powers of two."""
    return (buckets > FAR_BUCKET) & (buckets < UNKNOWN_BUCKET)


def reliability(held: NDArray[np.uint8], scores: Floats) -> tuple[ReliabilityBin, ...]:
    """Sort the N rows of a class into tenths of probability; empty ones are left out."""
    index = np.minimum((scores * BINS).astype(np.int64), BINS - 1)
    rows = np.bincount(index, minlength=BINS)
    promised = np.bincount(index, scores.astype(np.float64), minlength=BINS)
    observed = np.bincount(index, held.astype(np.float64), minlength=BINS)
    return tuple(
        ReliabilityBin(float(promised[i] / rows[i]), float(observed[i] / rows[i]), int(rows[i]))
        for i in np.flatnonzero(rows)
    )


def expected_calibration_error(bins: Sequence[ReliabilityBin]) -> float:
    """Average the gap between promised and observed over the rows.

    Source: Guo et al., "On Calibration of Modern Neural Networks", 2017.
    """
    gaps = sum(abs(one.promised - one.observed) * one.rows for one in bins)
    return gaps / max(sum(one.rows for one in bins), 1)


def fit_platt(labels: Flags, probabilities: Floats, buckets: NDArray[np.int64]) -> Platt:
    """Fit a line over each class's logits by logistic regression, with Newton's method.

    A normal prior of width 1 around "leave it as it is" (scale 1, no shift, no step) keeps a class
    with few positives from being bent by them. Fit it on validation rows.

    Source: Platt, "Probabilistic Outputs for Support Vector Machines", 1999; prior and step are
    ours.
    """
    far = _far(buckets)
    fitted = [
        _fit_line(held, np.column_stack([column, np.ones_like(column), far]))
        for held, column in zip(labels.T.astype(float), logits(probabilities).T, strict=True)
    ]
    return Platt(*np.array(fitted).T)


def _fit_line(held: Values, inputs: Values) -> Values:
    line = prior = np.array([1.0, 0.0, 0.0])
    loss = _loss(line, prior, inputs, held)
    for _ in range(NEWTON_STEPS):
        sure = sigmoid(inputs @ line)
        slope = inputs.T @ (sure - held) + (line - prior)
        curvature = (inputs * (sure * (1 - sure))[:, None]).T @ inputs + np.eye(len(line))
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
