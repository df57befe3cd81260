"""Scores of a multi-label classifier, in numpy alone, as scikit-learn defines them.

Everywhere, `labels` and `tags` are [N, C] with 1 (or True) where a class holds or is predicted, and
`probabilities` are [N, C] from 0 to 1. A ratio whose denominator is 0 is 0.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Flags: TypeAlias = NDArray[np.bool_] | NDArray[np.uint8]
Floats: TypeAlias = NDArray[np.floating]
Values: TypeAlias = NDArray[np.float64]

PLAIN_THRESHOLD: Final = 0.5
"""Used if no other threshold was chosen."""
LOWEST: Final = float(np.finfo(np.float32).tiny)
HIGHEST: Final = float(np.nextafter(np.float32(1), np.float32(0)))
"""The float32 next to 0 (but for subnormal ones) and to 1."""


@dataclass(frozen=True, slots=True, eq=False)
class Rates:
    """Precision, recall and F1, all of one shape: [C] by class, [] for a mean."""

    precision: Values
    recall: Values
    f1: Values

    def mean(self, weights: Values | None = None) -> "Rates":
        """Average over the last axis, weighted or not."""
        if weights is None or not weights.any():
            parts = [np.mean(rate, axis=-1) for rate in (self.precision, self.recall, self.f1)]
        else:
            share = weights / weights.sum()
            parts = [rate @ share for rate in (self.precision, self.recall, self.f1)]
        return Rates(*(np.asarray(part, np.float64) for part in parts))


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """True positives, predictions and labels, [..., C]."""

    hits: Values
    predicted: Values
    labelled: Values  # the support

    def rates(self) -> Rates:
        """Compute the rates of each class."""
        return Rates(
            _quotient(self.hits, self.predicted),
            _quotient(self.hits, self.labelled),
            _quotient(2 * self.hits, self.predicted + self.labelled),
        )

    def pooled(self) -> "Counts":
        """Sum over the classes."""
        return Counts(
            np.asarray(self.hits.sum(axis=-1)),
            np.asarray(self.predicted.sum(axis=-1)),
            np.asarray(self.labelled.sum(axis=-1)),
        )


def _quotient(above: Values, below: Values) -> Values:
    return np.divide(above, below, out=np.zeros_like(above, np.float64), where=below > 0)


def count(labels: Flags, tags: Flags) -> Counts:
    """Count hits, predictions and labels of each class, [C]."""
    return _count(labels, tags, axis=0)


def _count(labels: Flags, tags: Flags, axis: int) -> Counts:
    held, predicted = labels.astype(bool), tags.astype(bool)
    return Counts(
        (held & predicted).sum(axis=axis).astype(np.float64),
        predicted.sum(axis=axis).astype(np.float64),
        held.sum(axis=axis).astype(np.float64),
    )


def micro_rates(counts: Counts) -> Rates:
    """Compute the rates of all decisions together."""
    return counts.pooled().rates()


def macro_rates(counts: Counts) -> Rates:
    """Average the classes' rates; a class without support counts as 0, as in scikit-learn."""
    return counts.rates().mean()


def weighted_rates(counts: Counts) -> Rates:
    """Average the classes' rates, weighted by support."""
    return counts.rates().mean(counts.labelled)


def samples_rates(labels: Flags, tags: Flags) -> Rates:
    """Average the rows' rates."""
    return _count(labels, tags, axis=1).rates().mean()


def flip_share(tags: Flags, others: Flags) -> float:
    """Return the share of rows whose set of tags differs between two predictions."""
    return float((tags.astype(bool) != others.astype(bool)).any(axis=1).mean())


def average_precision(labels: Flags, probabilities: Floats) -> Values:
    """Sum precision over the steps of recall, [C]; NaN for a class without support.

    Source: scikit-learn, `average_precision_score` (no interpolation).
    """
    columns = zip(labels.T.astype(bool), probabilities.T, strict=True)
    return np.array([_average_precision(held, scores) for held, scores in columns])


def _average_precision(held: NDArray[np.bool_], scores: Floats) -> float:
    if not held.any():
        return float("nan")
    steps = _steps(held, scores)
    recall = steps.hits / steps.labelled
    return float(np.sum(np.diff(recall, prepend=0.0) * steps.hits / steps.predicted))


def _steps(held: NDArray[np.bool_], scores: Floats) -> Counts:
    """Count the tags at or above each distinct score, from the highest down."""
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.diff(scores[order], append=np.nan) != 0)
    hits = np.cumsum(held[order], dtype=np.float64)[last]
    return Counts(hits, (last + 1).astype(np.float64), np.full(len(last), hits[-1]))


def best_thresholds(labels: Flags, probabilities: Floats) -> Values:
    """Choose each class's threshold for the best F1 on these rows, [C].

    A threshold lies midway, in logits, between the last score that it keeps and the next one; so it
    does not matter where a class's logits lie. It is 0.5 for a class without support. Choose it on
    validation rows, never on those that it is scored on.
    """
    columns = zip(labels.T.astype(bool), probabilities.T, strict=True)
    return np.array([_best_threshold(held, scores) for held, scores in columns])


def _best_threshold(held: NDArray[np.bool_], scores: Floats) -> float:
    if not held.any():
        return PLAIN_THRESHOLD
    best = int(np.argmax(_steps(held, scores).rates().f1))
    distinct = np.unique(scores)[::-1].astype(np.float64)
    if best + 1 == len(distinct):
        return float(np.clip(distinct[best] / 2, LOWEST, HIGHEST))
    kept, left_out = distinct[best], distinct[best + 1]
    middle = sigmoid(logits(distinct[best : best + 2]).mean())
    # Next to 1, rounding may reach the score that is left out.
    return float(middle if left_out < middle < kept else (kept + left_out) / 2)


def logits(probabilities: Floats) -> Values:
    """Return the logits of probabilities, finite even at 0 and 1."""
    inner = np.clip(probabilities.astype(np.float64), LOWEST, HIGHEST)
    return np.asarray(np.log(inner) - np.log1p(-inner), np.float64)


def sigmoid(logits: Values) -> Values:
    """Return the probabilities of logits, precise near 0 too."""
    return np.asarray(np.exp(-np.logaddexp(0.0, -logits)), np.float64)
