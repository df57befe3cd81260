"""Score heads on held-out rows: F1, dependence on the distance, calibration."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from geograph_types.distance.distance import UNKNOWN_BUCKET
from geograph_types.errors import InputError
from geograph_types.taxonomy import CLASS_INDEX, CLASSES
from geograph_types_trainer.dataset.memory import TrainingData
from geograph_types_trainer.evaluation.bootstrap import bootstrap_f1
from geograph_types_trainer.evaluation.calibration import (
    Platt,
    Reliability,
    expected_calibration_error,
    fit_platt,
    reliability,
)
from geograph_types_trainer.evaluation.predictor import Predictor
from geograph_types_trainer.evaluation.results import (
    ClassCalibration,
    ClassScore,
    DistanceScore,
    DroneScore,
    Evaluation,
    HeadEvaluation,
    MeanScore,
    ReliabilityBin,
    Scores,
    Seen,
    Split,
    ThresholdRule,
)
from geograph_types_trainer.metrics import (
    PLAIN_THRESHOLD,
    Values,
    average_precision,
    best_thresholds,
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
PLAIN: Final = np.full(len(CLASSES), PLAIN_THRESHOLD)
DRONE: Final = CLASS_INDEX["From Drone"]


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """N rows of a dataset, whose embeddings are not copied."""

    data: TrainingData
    rows: NDArray[np.int64]  # [N], their numbers in the dataset
    buckets: NDArray[np.int64]  # [N]
    labels: NDArray[np.uint8]  # [N, 7]
    pseudo_drone: NDArray[np.bool_]  # [N]

    @classmethod
    def of(cls, data: TrainingData, rows: NDArray[np.int64]) -> "_Rows":
        """Take some rows of a dataset."""
        return cls(data, rows, data.buckets[rows], data.labels[rows], data.pseudo_drone[rows])

    def predict(
        self, predictor: Predictor, buckets: NDArray[np.int64] | None = None
    ) -> NDArray[np.float32]:
        """Compute probabilities [N, 7], at the recorded distances unless others are given."""
        buckets = self.buckets if buckets is None else buckets
        found = np.empty((len(buckets), len(CLASSES)), np.float32)
        for start in range(0, len(buckets), CHUNK_ROWS):
            part = slice(start, start + CHUNK_ROWS)
            embeddings = self.data.embeddings[self.rows[part]].astype(np.float32, copy=False)
            found[part] = predictor.predict(embeddings, buckets[part])
        return found


def evaluate(
    predictors: Sequence[Predictor], data: TrainingData, source: str, split: Split = "tes"
) -> Evaluation:
    """Score heads on the same rows of a dataset, whose name is `source`.

    Thresholds and calibration are fitted on the validation rows and scored on the test rows; with
    another split, nothing is fitted. Scores are at 0.5, at the head's own thresholds if it has
    others, and at fitted ones. Random choices (bootstrap, distances taken from another row) are
    seeded and the same for every head.
    """
    chosen = np.arange(len(data)) if split == "all" else data.rows_of(split)
    if not len(chosen):
        raise InputError(f"{source} has no rows of split {split!r}: choose another, or all")
    held_out = data.rows_of("val") if split == "tes" else np.empty(0, np.int64)
    rows = _Rows.of(data, chosen)
    validation = _Rows.of(data, held_out) if len(held_out) else None
    return Evaluation(
        data=source,
        data_sha256=data.sha256,
        split=split,
        rows=len(chosen),
        sampled=_sampled(data, split),
        validation_rows=len(held_out),
        bad_rows=data.bad_rows,
        heads=tuple(
            _judge(predictor, rows, validation, _seen(predictor, data, split))
            for predictor in predictors
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
    predictor: Predictor, rows: _Rows, validation: _Rows | None, seen: Seen
) -> HeadEvaluation:
    probabilities = rows.predict(predictor)
    thresholds: dict[ThresholdRule, Values] = {"0.5": PLAIN}
    if predictor.thresholds is not None:
        own = np.array([predictor.thresholds[name] for name in CLASSES])
        if not np.array_equal(own, PLAIN):
            thresholds["own"] = own
    platt = None
    if validation is not None:
        expected = validation.predict(predictor)
        thresholds["validation"] = best_thresholds(validation.labels, expected)
        platt = fit_platt(validation.labels, expected)
    scores = [_scores(rule, rows, probabilities, at) for rule, at in thresholds.items()]
    quoted = list(thresholds.values())[-1]
    return HeadEvaluation(
        name=predictor.name,
        kind=predictor.kind,
        seen=seen,
        scores=tuple(scores),
        drone=tuple(_drone(rows, probabilities, quoted, kind) for kind in ("true", "pseudo")),
        distances=_distances(predictor, rows, probabilities),
        calibration=_calibration(rows, probabilities, platt),
    )


def _scores(
    rule: ThresholdRule, rows: _Rows, probabilities: NDArray[np.float32], at: Values
) -> Scores:
    labels, tags = rows.labels, probabilities >= at
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
            f1_low=float(spread.classes[0, i]),
            f1_high=float(spread.classes[1, i]),
            empty_draws=int(spread.empty_draws[i]),
            average_precision=_or_none(precisions[i]),
        )
        for i, name in enumerate(CLASSES)
    )
    found = {
        "micro": (micro_rates(counts), spread.micro),
        "macro": (macro_rates(counts), spread.macro),
        "weighted": (weighted_rates(counts), None),
        "samples": (samples_rates(labels, tags), None),
    }
    means = tuple(
        MeanScore(
            name=name,
            precision=float(mean.precision),
            recall=float(mean.recall),
            f1=float(mean.f1),
            f1_low=None if ends is None else float(ends[0]),
            f1_high=None if ends is None else float(ends[1]),
        )
        for name, (mean, ends) in found.items()
    )
    return Scores(rule, classes, means)


def _drone(
    rows: _Rows,
    probabilities: NDArray[np.float32],
    at: Values,
    kind: Literal["true", "pseudo"],
) -> DroneScore:
    drone = rows.labels[:, DRONE] == 1
    other_kind = drone & (rows.pseudo_drone if kind == "true" else ~rows.pseudo_drone)
    labels = rows.labels[~other_kind, DRONE, None]
    found = probabilities[~other_kind, DRONE, None]
    counts = count(labels, found >= at[DRONE])
    rates = counts.rates()
    return DroneScore(
        kind=kind,
        support=int(counts.labelled[0]),
        precision=float(rates.precision[0]),
        recall=float(rates.recall[0]),
        f1=float(rates.f1[0]),
        average_precision=_or_none(average_precision(labels, found)[0]),
    )


def _distances(
    predictor: Predictor, rows: _Rows, recorded: NDArray[np.float32]
) -> tuple[DistanceScore, ...]:
    """Score the same rows at the recorded distance, at none, and at other rows' (means)."""
    rng = np.random.default_rng(SEED)
    tags = recorded >= PLAIN

    def score(buckets: NDArray[np.int64]) -> tuple[float, float, float]:
        shown = rows.predict(predictor, buckets) >= PLAIN
        counts = count(rows.labels, shown)
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
    rows: _Rows, probabilities: NDArray[np.float32], platt: Platt | None
) -> tuple[ClassCalibration, ...]:
    before = reliability(rows.labels, probabilities)
    after = None if platt is None else reliability(rows.labels, platt.apply(probabilities))
    error = expected_calibration_error(before)
    error_after = None if after is None else expected_calibration_error(after)
    return tuple(
        ClassCalibration(
            name=name,
            error=float(error[i]),
            bins=_bins(before, i),
            scale=None if platt is None else float(platt.scale[i]),
            shift=None if platt is None else float(platt.shift[i]),
            error_after=None if error_after is None else float(error_after[i]),
            bins_after=() if after is None else _bins(after, i),
        )
        for i, name in enumerate(CLASSES)
    )


def _bins(found: Reliability, index: int) -> tuple[ReliabilityBin, ...]:
    columns = (found.promised[index], found.observed[index], found.rows[index])
    return tuple(
        ReliabilityBin(float(promised), float(observed), int(rows))
        for promised, observed, rows in zip(*columns, strict=True)
        if rows
    )


def _or_none(value: np.float64) -> float | None:
    return None if np.isnan(value) else float(value)
