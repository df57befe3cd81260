"""Certain tags: exact binomial tests against scipy, and what they promise on drawn rows."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from geograph_types.thresholds import Guarantee
from geograph_types_trainer.evaluation.certain import (
    GRID,
    binomial_tail,
    certain_threshold,
    clopper_pearson,
)

PROMISE = Guarantee()
Choose = Callable[[np.ndarray, np.ndarray, float, Guarantee], float | None]


@pytest.mark.parametrize("trials", [1, 45, 317, 20_000])
@pytest.mark.parametrize("chance", [0.001, 0.05, 0.5, 0.97])
def test_the_tail_is_that_of_scipy(trials: int, chance: float) -> None:
    for most in sorted({0, trials // 40, trials // 2, trials - 1, trials}):
        expected = stats.binom.cdf(most, trials, chance)
        assert binomial_tail(most, trials, chance) == pytest.approx(expected, rel=1e-9, abs=1e-300)


@pytest.mark.parametrize(("hits", "trials"), [(0, 0), (0, 9), (9, 9), (1, 2), (950, 1000)])
def test_the_interval_is_that_of_scipy(hits: int, trials: int) -> None:
    found = clopper_pearson(hits, trials)
    if not trials:
        assert found == (0, 1)
        return
    expected = stats.binomtest(hits, trials).proportion_ci(0.95, method="exact")
    assert found == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_rows_that_are_too_few_give_none() -> None:
    sure, held = np.full(200, 0.99), np.ones(200, np.uint8)
    assert certain_threshold(held[:44], sure[:44], 0.5, PROMISE) is None
    assert certain_threshold(held[:45], sure[:45], 0.5, PROMISE) == GRID[GRID >= 0.5][-2]
    assert certain_threshold(held, sure, 0.98, PROMISE) == GRID[GRID >= 0.98][-2]
    held[::10] = 0
    assert certain_threshold(held, sure, 0.5, PROMISE) is None


@pytest.mark.parametrize("seed", range(20))
def test_the_sequence_goes_on_while_the_exact_test_allows(seed: int) -> None:
    """And the threshold is that of the last step but one."""
    rng = np.random.default_rng(seed)
    scores = rng.beta(0.6, 0.4, 900)
    held = (rng.random(900) < scores).astype(np.uint8)
    found = certain_threshold(held, scores, 0.5, PROMISE)
    passed = []
    for threshold in GRID[GRID >= 0.5]:
        tagged = held[scores >= threshold]
        if len(tagged) >= max(45, 0.1 * (scores >= 0.5).sum()):
            errors = int((tagged == 0).sum())
            passed.append(stats.binom.cdf(errors, len(tagged), 0.05) <= 0.1)
    kept = passed.index(False)
    started = len(GRID[GRID >= 0.5]) - len(passed)
    assert found == (GRID[started + max(kept - 2, 0)] if kept else None)


def wald(held: np.ndarray, scores: np.ndarray, lowest: float, promise: Guarantee) -> float | None:
    """A planted mistake: the normal approximation, which trusts any few rows without an error."""
    found = None
    for threshold in GRID[lowest <= GRID]:
        tagged = held[scores >= threshold]
        share = tagged.mean() if len(tagged) else 0.0
        spread = stats.norm.ppf(promise.confidence) * np.sqrt(
            share * (1 - share) / max(len(tagged), 1)
        )
        if len(tagged) and share - spread < promise.precision:
            break
        found = threshold if len(tagged) else found
    return found


def mean(held: np.ndarray, scores: np.ndarray, lowest: float, promise: Guarantee) -> float | None:
    """A planted mistake: the precision that was found, without any bound."""
    good = [t for t in GRID[lowest <= GRID] if held[scores >= t].mean() >= promise.precision]
    return min(good, default=None)


DRAWS = 300
ALLOWED = 1 - PROMISE.confidence + 2 * np.sqrt(0.1 * 0.9 / DRAWS)


def broken_promises(choose: Choose, most: float) -> float:
    """The share of draws of rows in which the true precision falls short of the promise.

    Scores are the true probabilities, but for those above `most`, which are too high.
    """
    rng = np.random.default_rng(7)
    everyone = rng.beta(0.3, 0.5, 200_000)
    short = 0
    for _ in range(DRAWS):
        scores = rng.choice(everyone, 600)
        found = choose(rng.random(600) < np.minimum(scores, most), scores, 0.5, PROMISE)
        truth = np.minimum(everyone[everyone >= found], most) if found else np.ones(1)
        short += truth.mean() < PROMISE.precision
    return float(short / DRAWS)


@pytest.mark.parametrize("most", [1.0, 0.94])
def test_the_promise_is_kept(most: float) -> None:
    assert broken_promises(certain_threshold, most) <= ALLOWED


@pytest.mark.parametrize("mistake", [wald, mean])
def test_a_planted_mistake_breaks_it(mistake: Choose) -> None:
    assert broken_promises(mistake, 0.94) > ALLOWED
