"""Score heads on held-out rows: F1, precision, dependence on the distance, calibration."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from geograph_types.distance.distance import UNKNOWN_BUCKET
from geograph_types.errors import InputError
from geograph_types.taxonomy import CLASS_INDEX, CLASSES
from geograph_types.thresholds import (
    STATES,
    DistanceState,
    Guarantee,
    StateThresholds,
    Thresholds,
)
from geograph_types_trainer.dataset.memory import TrainingData
from geograph_types_trainer.evaluation.bootstrap import bootstrap_f1
from geograph_types_trainer.evaluation.calibration import (
    Platt,
    expected_calibration_error,
    fit_platt,
    reliability,
)
from geograph_types_trainer.evaluation.certain import clopper_pearson, fitted_thresholds
from geograph_types_trainer.evaluation.predictor import Predictor
from geograph_types_trainer.evaluation.results import (
    ClassCalibration,
    ClassScore,
    DistanceScore,
    DroneScore,
    Evaluation,
    HeadEvaluation,
    Interval,
    MeanScore,
    Scores,
    Seen,
    Split,
    StateEvaluation,
    TagPrecision,
    ThresholdRule,
)
from geograph_types_trainer.metrics import (
    PLAIN_THRESHOLD,
    Flags,
    Floats,
    Values,
    average_precision,
    count,
    flip_share,
    macro_rates,
    micro_rates,
    samples_rates,
    weighted_rates,
)

CHUNK_ROWS: Final = 8192
SHUFFLES: Final = 5
SEED: Final = 0
DRONE: Final = CLASS_INDEX["From Drone"]
ASKED_FROM: Final = 0.75
"""From this probability on, Geograph asks its moderators whether a photo looks like a type."""


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """N rows of a dataset at some distances; their embeddings are not copied."""

    data: TrainingData
    rows: NDArray[np.int64]  # [N], their numbers in the dataset
    buckets: NDArray[np.int64]  # [N]

    @property
    def labels(self) -> NDArray[np.uint8]:
        return self.data.labels[self.rows]

    def in_state(self, state: DistanceState) -> "_Rows":
        """Take the rows whose distance is known, or all with it hidden."""
        if state == "unknown":
            return _Rows(self.data, self.rows, np.full_like(self.buckets, UNKNOWN_BUCKET))
        known = self.buckets != UNKNOWN_BUCKET
        return _Rows(self.data, self.rows[known], self.buckets[known])

    def predict(self, predictor: Predictor, buckets: NDArray[np.int64] | None = None) -> Floats:
        """Compute probabilities [N, 7], at these distances unless others are given."""
        buckets = self.buckets if buckets is None else buckets
        found = np.empty((len(buckets), len(CLASSES)), np.float32)
        for start in range(0, len(buckets), CHUNK_ROWS):
            part = slice(start, start + CHUNK_ROWS)
            embeddings = self.data.embeddings[self.rows[part]].astype(np.float32, copy=False)
            found[part] = predictor.predict(embeddings, buckets[part])
        return found


def evaluate(
    predictors: Sequence[Predictor],
    data: TrainingData,
    source: str,
    split: Split = "tes",
    promise: Guarantee | None = None,
) -> Evaluation:
    """Score heads on the same rows of a dataset, whose name is `source`.

    Thresholds and calibration are fitted on the validation rows and scored on the test rows; with
    another split, nothing is fitted. Scores are at 0.5, at the head's own thresholds if it has
    others, and at fitted ones. Certain tags keep `promise` on rows like the validation rows. Random
    choices (bootstrap, distances taken from another row) are seeded and the same for every head.
    """
    chosen = np.arange(len(data)) if split == "all" else data.rows_of(split)
    if not len(chosen):
        raise InputError(f"{source} has no rows of split {split!r}: choose another, or all")
    held_out = data.rows_of("val") if split == "tes" else np.empty(0, np.int64)
    rows, validation = (_Rows(data, part, data.buckets[part]) for part in (chosen, held_out))
    return Evaluation(
        data=source,
        data_sha256=data.sha256,
        split=split,
        rows=len(chosen),
        sampled=_sampled(data, split),
        validation_rows=len(held_out),
        bad_rows=data.bad_rows,
        heads=tuple(
            _judge(one, rows, validation, promise or Guarantee(), _seen(one, data, split))
            for one in predictors
        ),
    )


def _seen(predictor: Predictor, data: TrainingData, split: Split) -> Seen:
    """Return what the rows of a split served this head for; test rows serve for nothing."""
    if split == "tes":
        return None
    files = (data.sha256, data.metadata.get("source_sha256"))
    if predictor.trained_on and predictor.trained_on in files:
        return "trained" if split == "all" else "tuned"  # validation chose the epoch
    return "tuned" if predictor.tuned_on and predictor.tuned_on in files else None


def _sampled(data: TrainingData, split: Split) -> dict[str, tuple[int, int]]:
    """Return how many rows of a split a sample kept, of how many, in all and by class."""
    try:
        kept = msgspec.convert(data.metadata.get("kept", {}), dict[str, dict[str, tuple[int, int]]])
    except msgspec.ValidationError:
        return {}
    total: dict[str, tuple[int, int]] = {}
    for name, counts in kept.items():
        if split in ("all", name):
            for key, (found, there) in counts.items():
                before = total.get(key, (0, 0))
                total[key] = (before[0] + found, before[1] + there)
    return total if "rows" in total else {}


def _judge(
    predictor: Predictor, rows: _Rows, validation: _Rows, promise: Guarantee, seen: Seen
) -> HeadEvaluation:
    own = predictor.thresholds
    states = tuple(
        _judge_state(predictor, state, rows.in_state(state), validation.in_state(state), promise)
        for state in STATES
        if len(rows.in_state(state).rows)
    )
    return HeadEvaluation(
        name=predictor.name,
        kind=predictor.kind,
        seen=seen,
        states=states,
        guarantee=promise if len(validation.rows) else own.guarantee if own else None,
        distances=_distances(predictor, rows),
    )


def _judge_state(
    predictor: Predictor,
    state: DistanceState,
    rows: _Rows,
    validation: _Rows,
    promise: Guarantee,
) -> StateEvaluation:
    labels, probabilities = rows.labels, rows.predict(predictor)
    plain = Thresholds.uniform(PLAIN_THRESHOLD).of(state)
    rules: dict[ThresholdRule, StateThresholds] = {"0.5": plain}
    if predictor.thresholds is not None and predictor.thresholds.of(state) != plain:
        rules["own"] = predictor.thresholds.of(state)
    scores = [_scores(rule, labels, probabilities, at) for rule, at in rules.items()]
    platt, quoted, scaled = None, list(rules.values())[-1], probabilities
    if len(validation.rows):
        expected = validation.predict(predictor)
        platt = fit_platt(validation.labels, expected, validation.buckets)
        expected = platt.apply(expected, validation.buckets)
        quoted = fitted_thresholds(validation.labels, expected, promise)
        scaled = platt.apply(probabilities, rows.buckets)
        scores.append(_scores("validation", labels, scaled, quoted))
    return StateEvaluation(
        state=state,
        rows=len(labels),
        scores=tuple(scores),
        at_075=(
            *(_precision(labels[:, i], probabilities[:, i]) for i in range(len(CLASSES))),
            _precision(labels.ravel(), probabilities.ravel()),
        ),
        certain=tuple(
            _precision(labels[:, i], scaled[:, i], quoted.certain[name].threshold)
            if name in quoted.certain
            else None
            for i, name in enumerate(CLASSES)
        ),
        drone=tuple(_drones(labels, scaled, rows.data.pseudo_drone[rows.rows], quoted)),
        calibration=tuple(_calibration(labels, probabilities, platt, scaled)),
    )


def _scores(
    rule: ThresholdRule, labels: Flags, probabilities: Floats, thresholds: StateThresholds
) -> Scores:
    at = np.array([thresholds.tags[name] for name in CLASSES])
    tags = probabilities >= at
    counts = count(labels, tags)
    rates, precisions = counts.rates(), average_precision(labels, probabilities)
    spread = bootstrap_f1(labels, tags, SEED)
    classes = tuple(
        ClassScore(
            name=name,
            support=int(counts.labelled[i]),
            threshold=float(at[i]),
            precision=float(rates.precision[i]),
            recall=float(rates.recall[i]),
            f1=float(rates.f1[i]),
            f1_interval=_interval(spread.classes[:, i]),
            empty_draws=int(spread.empty_draws[i]),
            average_precision=_or_none(precisions[i]),
        )
        for i, name in enumerate(CLASSES)
    )
    found = {
        "micro": (micro_rates(counts), _interval(spread.micro)),
        "macro": (macro_rates(counts), _interval(spread.macro)),
        "weighted": (weighted_rates(counts), None),
        "samples": (samples_rates(labels, tags), None),
    }
    means = tuple(
        MeanScore(name, float(mean.precision), float(mean.recall), float(mean.f1), ends)
        for name, (mean, ends) in found.items()
    )
    return Scores(rule, classes, means)


def _precision(held: Flags, scores: Floats, threshold: float = ASKED_FROM) -> TagPrecision:
    reached = scores >= threshold
    tagged, right = int(reached.sum()), int(held[reached].sum())
    coverage = right / max(int(held.sum()), 1)
    return TagPrecision(threshold, tagged, right, clopper_pearson(right, tagged), coverage)


def _drones(
    labels: Flags, probabilities: Floats, pseudo: NDArray[np.bool_], thresholds: StateThresholds
) -> Iterator[DroneScore]:
    """Score From Drone on each kind of its rows, those of the other kind left out."""
    kinds: tuple[tuple[Literal["true", "pseudo"], NDArray[np.bool_]], ...]
    kinds = (("true", ~pseudo), ("pseudo", pseudo))
    for kind, own in kinds:
        asked = (labels[:, DRONE] == 0) | own
        held, found = labels[asked, DRONE, None], probabilities[asked, DRONE, None]
        counts = count(held, found >= thresholds.tags["From Drone"])
        rates = counts.rates()
        yield DroneScore(
            kind,
            int(counts.labelled[0]),
            float(rates.precision[0]),
            float(rates.recall[0]),
            float(rates.f1[0]),
            _or_none(average_precision(held, found)[0]),
        )


def _distances(predictor: Predictor, rows: _Rows) -> tuple[DistanceScore, ...]:
    """Score the same rows at the recorded distance, at none, and at other rows' (means)."""
    rng = np.random.default_rng(SEED)
    labels, tags = rows.labels, rows.predict(predictor) >= PLAIN_THRESHOLD

    def score(buckets: NDArray[np.int64]) -> tuple[float, float, float]:
        shown = rows.predict(predictor, buckets) >= PLAIN_THRESHOLD
        counts = count(labels, shown)
        rates = micro_rates(counts).f1, macro_rates(counts).f1
        return float(rates[0]), float(rates[1]), flip_share(shown, tags)

    shuffled = [score(rng.permutation(rows.buckets)) for _ in range(SHUFFLES)]
    micro, macro, flipped = np.mean(shuffled, axis=0).tolist()
    return (
        DistanceScore("recorded", *score(rows.buckets)),
        DistanceScore("unknown", *score(np.full_like(rows.buckets, UNKNOWN_BUCKET))),
        DistanceScore("other row", micro, macro, flipped),
    )


def _calibration(
    labels: NDArray[np.uint8], probabilities: Floats, platt: Platt | None, scaled: Floats
) -> Iterator[ClassCalibration]:
    for i, name in enumerate(CLASSES):
        before = reliability(labels[:, i], probabilities[:, i])
        error = expected_calibration_error(before)
        if platt is None:
            yield ClassCalibration(name, error, before)
            continue
        after = reliability(labels[:, i], scaled[:, i])
        line = float(platt.scale[i]), float(platt.shift[i]), float(platt.step[i])
        yield ClassCalibration(name, error, before, line, expected_calibration_error(after), after)


def _interval(ends: Values) -> Interval:
    return float(ends[0]), float(ends[1])


def _or_none(value: np.float64) -> float | None:
    return None if np.isnan(value) else float(value)
