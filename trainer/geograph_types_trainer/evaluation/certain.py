"""Certain tags: thresholds whose precision is guaranteed, by exact binomial tests.

A class's thresholds are tested one after the other from high to low, and the first that fails
ends the sequence, so that all of it holds with the confidence of a single test (fixed-sequence
testing). Source: Angelopoulos et al., "Learn then Test: Calibrating Predictive Algorithms to
Achieve Risk Control", 2021.
"""

import math
from typing import Final

import numpy as np

from geograph_types.taxonomy import CLASSES
from geograph_types.thresholds import CertainThreshold, Guarantee, StateThresholds
from geograph_types_trainer.metrics import Flags, Floats, best_thresholds, sigmoid

GRID: Final = sigmoid(np.arange(8.0, -4.05, -0.1))
"""The thresholds that are tested, from high to low: at even steps of the logit, and fixed, since a
sequence that depends on the labels proves nothing."""

FIRST_SHARE: Final = 0.1
"""Of the rows above the lowest threshold, with which the sequence starts: with fewer, one chance
error would end it. Their number depends on no label."""

STEPS: Final = 60


def binomial_tail(most: int, trials: int, chance: float) -> float:
    """Return the probability of at most so many successes in independent trials."""
    if most >= trials or chance <= 0:
        return 1.0
    steps = np.arange(1, most + 1)
    ratios = np.log((trials - steps + 1) / steps) + math.log(chance) - math.log1p(-chance)
    terms = trials * math.log1p(-chance) + np.concatenate([[0.0], np.cumsum(ratios)])
    return float(np.exp(terms).sum())


def clopper_pearson(hits: int, trials: int, coverage: float = 0.95) -> tuple[float, float]:
    """Return the exact two-sided interval of a share; 0 to 1 without trials.

    Source: Clopper and Pearson, "The Use of Confidence or Fiducial Limits Illustrated in the Case
    of the Binomial", 1934.
    """
    side = (1 - coverage) / 2
    misses = trials - hits
    return 1 - _most_likely_share(misses, trials, side), _most_likely_share(hits, trials, side)


def _most_likely_share(successes: int, trials: int, side: float) -> float:
    """Return the largest chance at which so few successes are not yet too unlikely."""
    if successes >= trials:
        return 1.0
    low, high = successes / trials, 1.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        if binomial_tail(successes, trials, middle) > side:
            low = middle
        else:
            high = middle
    return high


def certain_threshold(
    held: Flags, scores: Floats, lowest: float, promise: Guarantee
) -> float | None:
    """Find the lowest threshold, not below `lowest`, at which a class keeps the promise.

    `held` and `scores` are those of N rows, which must be like those that are tagged later, and not
    have been trained on. `None` if the rows prove it for no threshold. The lower end of the exact
    interval is at least the precision where errors as few as found would be too unlikely otherwise.
    """
    order = np.argsort(-scores)
    hits = np.concatenate([[0], np.cumsum(held[order], dtype=np.int64)])
    grid = GRID[lowest <= GRID]
    tagged = np.searchsorted(-scores[order], -grid, side="right")
    # With fewer, not even rows without an error prove it.
    needed = math.log(1 - promise.confidence) / math.log(promise.precision)
    first = max(needed, FIRST_SHARE * (scores >= lowest).sum())
    passed: list[float] = []
    for threshold, count in zip(grid.tolist(), tagged.tolist(), strict=True):
        if count < first:
            continue
        errors = count - int(hits[count])
        if binomial_tail(errors, count, 1 - promise.precision) > 1 - promise.confidence:
            break
        passed.append(threshold)
    # The last step is left out: as many rows again are to show the precision, by chance errors too.
    return passed[-2:][0] if passed else None


def fitted_thresholds(labels: Flags, probabilities: Floats, promise: Guarantee) -> StateThresholds:
    """Choose thresholds of tags for the best F1, and of certain tags by exact tests, on [N, 7]."""
    tags = dict(zip(CLASSES, best_thresholds(labels, probabilities).tolist(), strict=True))
    certain = {}
    for held, scores, name in zip(labels.T, probabilities.T, CLASSES, strict=True):
        threshold = certain_threshold(held, scores, tags[name], promise)
        if threshold is not None:
            reached = scores >= threshold
            certain[name] = CertainThreshold(threshold, float(reached[held > 0].mean()))
    return StateThresholds(tags, certain)
