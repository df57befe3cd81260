import warnings

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    average_precision_score,
    f1_score,
    precision_recall_curve,
    precision_recall_fscore_support,
)

from geograph_types_trainer.evaluation.bootstrap import bootstrap_f1
from geograph_types_trainer.evaluation.calibration import (
    expected_calibration_error,
    fit_platt,
    reliability,
)
from geograph_types_trainer.metrics import (
    Counts,
    Rates,
    average_precision,
    best_thresholds,
    count,
    flip_share,
    macro_rates,
    micro_rates,
    samples_rates,
    sigmoid,
    weighted_rates,
)

Labels = NDArray[np.uint8]
Probabilities = NDArray[np.float32]


def drawn(rows: int, seed: int, digits: int = 7) -> tuple[Labels, Probabilities]:
    """Draw labels and probabilities that know something of them; few digits make ties."""
    generator = np.random.default_rng(seed)
    labels = (generator.random((rows, 7)) < [0.1, 0.3, 0.2, 0.1, 0.5, 0.2, 0.02]).astype(np.uint8)
    logits = 3.0 * labels - 2.0 + generator.normal(0, 1.5, labels.shape)
    return labels, (1 / (1 + np.exp(-logits))).round(digits).astype(np.float32)


CASES = {
    "many": drawn(2000, 1),
    "ties": drawn(500, 2, digits=1),
    "few": drawn(9, 3),
    "class absent": drawn(300, 4),
    "nothing predicted": drawn(100, 5),
}
CASES["class absent"][0][:, 6] = 0
CASES["nothing predicted"][1][:] *= 0.4


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[Labels, Probabilities]:
    return CASES[request.param]


@pytest.mark.parametrize("average", [None, "micro", "macro", "weighted", "samples"])
def test_rates_are_scikit_learns(average: str | None, case: tuple[Labels, Probabilities]) -> None:
    labels, tags = case[0], case[1] >= 0.5
    expected = precision_recall_fscore_support(labels, tags, average=average, zero_division=0)
    counts: Counts = count(labels, tags)
    found: Rates = {
        None: counts.rates(),
        "micro": micro_rates(counts),
        "macro": macro_rates(counts),
        "weighted": weighted_rates(counts),
        "samples": samples_rates(labels, tags),
    }[average]
    for ours, theirs in zip((found.precision, found.recall, found.f1), expected, strict=False):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)
    if average is None:
        np.testing.assert_array_equal(counts.labelled, expected[3])


def test_average_precision_is_scikit_learns(case: tuple[Labels, Probabilities]) -> None:
    labels, probabilities = case
    found = average_precision(labels, probabilities)
    for i in range(7):
        if labels[:, i].any():
            expected = average_precision_score(labels[:, i], probabilities[:, i])
            assert found[i] == pytest.approx(expected, abs=1e-12)
        else:
            assert np.isnan(found[i])


def test_thresholds_are_the_best_there_are(case: tuple[Labels, Probabilities]) -> None:
    labels, probabilities = case
    found = best_thresholds(labels, probabilities)
    assert ((found > 0) & (found < 1)).all()
    for i in range(7):
        if not labels[:, i].any():
            assert found[i] == 0.5
            continue
        precision, recall, _ = precision_recall_curve(labels[:, i], probabilities[:, i])
        best = np.max(2 * precision * recall / np.maximum(precision + recall, 1e-12))
        reached = f1_score(labels[:, i], probabilities[:, i] >= found[i], zero_division=0)
        assert reached == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize("shift", [-60.0, -30.0, -12.0, -3.0, 0.0, 5.0])
@pytest.mark.parametrize("scale", [0.5, 1.0, 1.5])
def test_thresholds_do_not_depend_on_where_the_logits_lie(shift: float, scale: float) -> None:
    labels, unseen = (drawn(3000, seed)[0] for seed in (10, 11))
    generator = np.random.default_rng(12)
    known, other = (
        3.0 * rows - 2.0 + generator.normal(0, 1.5, rows.shape) for rows in (labels, unseen)
    )

    def fitted_f1(move: float, stretch: float) -> NDArray[np.float64]:
        thresholds = best_thresholds(labels, sigmoid(known * stretch + move).astype(np.float32))
        tags = sigmoid(other * stretch + move).astype(np.float32) >= thresholds
        return count(unseen, tags).rates().f1

    np.testing.assert_allclose(fitted_f1(shift, scale), fitted_f1(0.0, 1.0), atol=2e-3)


@pytest.mark.parametrize(
    ("scores", "held", "low", "high"),
    [
        ([0.9, 0.1], [1, 0], 0.1, 0.9),
        ([1.0, 0.0], [1, 0], 0.0, 1.0),
        ([1.0, 1 - 2**-24], [1, 0], 1 - 2**-24, 1.0),
        ([1e-30, 1e-32], [1, 0], 1e-32, 1e-30),
        ([0.3, 0.2], [1, 1], 0.0, 0.2),
        ([0.0, 0.0], [1, 0], 0.0, 1.0),
        ([1.0, 1.0], [1, 1], 0.0, 1.0),
    ],
)
def test_where_thresholds_lie(
    scores: list[float], held: list[int], low: float, high: float
) -> None:
    column = np.array(scores, np.float32)[:, None]
    (found,) = best_thresholds(np.array(held, np.uint8)[:, None], column)
    assert low < found <= high
    assert 0 < found < 1


def test_a_row_flips_when_any_of_its_tags_does() -> None:
    tags = np.array([[1, 0], [1, 1], [0, 0], [0, 1]], np.uint8)
    others = np.array([[1, 0], [1, 0], [1, 1], [0, 1]], np.uint8)
    assert flip_share(tags, others) == 0.5
    assert flip_share(tags, tags) == 0.0


def test_bootstrap_is_that_of_the_rows() -> None:
    labels, probabilities = drawn(400, 6)
    tags = probabilities >= 0.5
    found, again, other = (bootstrap_f1(labels, tags, seed, draws=4000) for seed in (1, 1, 3))
    np.testing.assert_array_equal(found.classes, again.classes)
    assert not np.array_equal(found.macro, other.macro)
    generator = np.random.default_rng(2)
    micro, macro = [], []
    for _ in range(2000):
        rows = generator.integers(0, len(labels), len(labels))
        counts = count(labels[rows], tags[rows])
        micro.append(float(micro_rates(counts).f1))
        macro.append(float(macro_rates(counts).f1))
    np.testing.assert_allclose(found.micro, np.quantile(micro, [0.025, 0.975]), atol=0.006)
    np.testing.assert_allclose(found.macro, np.quantile(macro, [0.025, 0.975]), atol=0.012)
    point = count(labels, tags).rates().f1
    assert (found.classes[0] <= point).all() and (point <= found.classes[1]).all()


def test_bootstrap_counts_draws_without_the_class() -> None:
    labels, tags = np.zeros((200, 3), np.uint8), np.zeros((200, 3), np.uint8)
    labels[:1, 1] = labels[:50, 2] = 1
    absent, rare, common = bootstrap_f1(labels, tags).empty_draws
    assert (absent, common) == (1000, 0)
    assert rare / 1000 == pytest.approx(np.exp(-1), abs=0.05)  # (1 - 1/200) ** 200


def test_reliability_is_scikit_learns() -> None:
    labels, probabilities = drawn(3000, 8)
    for held, scores in zip(labels.T, probabilities.T, strict=True):
        found = reliability(held, scores)
        assert sum(one.rows for one in found) == len(labels)
        curve = calibration_curve(held, scores, n_bins=10)
        np.testing.assert_allclose([one.observed for one in found], curve[0], atol=1e-6)
        np.testing.assert_allclose([one.promised for one in found], curve[1], atol=1e-6)


def test_calibration_error_of_a_known_case() -> None:
    held = np.array([1, 0, 1, 1], np.uint8)
    found = reliability(held, np.array([0.9, 0.9, 0.3, 1.0], np.float32))
    # The bin from 0.9 has three rows, promised 0.9333 and observed 0.6667; that of 0.3 one.
    expected = 0.75 * (2.8 / 3 - 2 / 3) + 0.25 * 0.7
    assert expected_calibration_error(found) == pytest.approx(expected, abs=1e-6)


def mean_error(labels: Labels, probabilities: np.ndarray) -> float:
    pairs = zip(labels.T, probabilities.T, strict=True)
    return float(np.mean([expected_calibration_error(reliability(*pair)) for pair in pairs]))


def test_scaling_is_logistic_regression_where_there_are_many_rows() -> None:
    labels, probabilities = drawn(40_000, 9)
    buckets = np.random.default_rng(1).integers(0, 23, len(labels))
    found = fit_platt(labels, probabilities, buckets)
    logits = np.log(probabilities.astype(float)) - np.log1p(-probabilities.astype(float))
    far = (buckets >= 10) & (buckets < 22)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for i in range(7):
            inputs = np.column_stack([logits[:, i], far])
            line = LogisticRegression(C=1e6).fit(inputs, labels[:, i])
            assert found.scale[i] == pytest.approx(line.coef_[0, 0], abs=0.02)
            assert found.step[i] == pytest.approx(line.coef_[0, 1], abs=0.05)
            assert found.shift[i] == pytest.approx(line.intercept_[0], abs=0.05)
    scaled = found.apply(probabilities, buckets)
    assert mean_error(labels, scaled) < mean_error(labels, probabilities) / 2


def test_scaling_stays_finite_at_the_ends_and_leaves_alone_what_it_cannot_know() -> None:
    labels = np.array([[1], [0]] * 50, np.uint8)
    probabilities, buckets = labels.astype(np.float32), np.full(100, 22)
    found = fit_platt(labels, probabilities, buckets)
    assert np.isfinite(found.apply(probabilities, buckets)).all()
    assert found.scale[0] > 0
    none = np.zeros((0, 7), np.float32)
    nothing = fit_platt(none.astype(np.uint8), none, np.zeros(0, np.int64))
    assert (nothing.scale == 1).all() and (nothing.shift == 0).all() and (nothing.step == 0).all()
