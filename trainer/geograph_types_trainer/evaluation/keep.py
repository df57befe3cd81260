"""Store what was fitted on validation rows in the run that it was fitted for."""

import numpy as np

from geograph_types.distance.distance import BUCKET_COUNT, UNKNOWN_BUCKET
from geograph_types.errors import InputError
from geograph_types.taxonomy import CLASSES
from geograph_types.thresholds import STATES, CertainThreshold, StateThresholds, Thresholds
from geograph_types_trainer.evaluation.calibration import Platt
from geograph_types_trainer.evaluation.results import HeadEvaluation, StateEvaluation
from geograph_types_trainer.head_weights import CALIBRATION_SHAPE, calibrated
from geograph_types_trainer.run import Run


def keep_fitted(run: Run, found: HeadEvaluation, data_sha256: str) -> None:
    """Store an evaluation's calibration and thresholds in the run that was scored.

    A distance state without rows keeps the run's own.
    """
    scale, shift = np.ones(CALIBRATION_SHAPE), np.zeros(CALIBRATION_SHAPE)
    kept = {state: run.thresholds.of(state) for state in STATES}
    buckets = np.arange(BUCKET_COUNT)
    for one in found.states:
        lines = [of_class.line for of_class in one.calibration if of_class.line]
        if not lines or min(line[0] for line in lines) <= 0:
            raise InputError(
                f"{run.path} has no calibration to keep: its data needs val and tes rows"
            )
        platt = Platt(*np.array(lines).T)
        own = (buckets == UNKNOWN_BUCKET) == (one.state == "unknown")
        scale[own], shift[own] = platt.scale, platt.shifts(buckets[own])
        kept[one.state] = _thresholds(one)
    thresholds = Thresholds(kept["known"], kept["unknown"], found.guarantee)
    run.keep(calibrated(run.weights, scale, shift), thresholds, data_sha256)


def _thresholds(found: StateEvaluation) -> StateThresholds:
    """Return the quoted thresholds, with the coverage of the test rows."""
    certain = zip(CLASSES, found.certain, strict=True)
    return StateThresholds(
        {one.name: one.threshold for one in found.quoted.classes},
        {n: CertainThreshold(one.threshold, round(one.coverage, 4)) for n, one in certain if one},
    )
