"""What an evaluation says, in the form in which it is written as JSON."""

from collections.abc import Sequence
from pathlib import PurePath
from typing import Literal, TypeAlias

import msgspec

from geograph_types_trainer.evaluation.predictor import PredictorKind

Split: TypeAlias = Literal["tes", "val", "all"]
ThresholdRule: TypeAlias = Literal["0.5", "own", "validation"]
"""Where thresholds come from: 0.5 for all, the head's own, or tuned on the validation rows."""


class ClassScore(msgspec.Struct, frozen=True):
    """Scores of one class.

    Attributes:
        name: the class.
        support: rows that have it.
        threshold: at or above which a probability sets the tag.
        precision: 0 to 1.
        recall: 0 to 1.
        f1: 0 to 1.
        f1_low: lower end of its 95 % interval.
        f1_high: upper end of its 95 % interval.
        average_precision: of the probabilities, whatever the threshold; `None` without support.
    """

    name: str
    support: int
    threshold: float
    precision: float
    recall: float
    f1: float
    f1_low: float
    f1_high: float
    average_precision: float | None


class MeanScore(msgspec.Struct, frozen=True):
    """A mean of the classes' scores.

    Attributes:
        name: "micro" (all decisions together), "macro" (classes alike), "weighted" (by support),
            "samples" (rows alike).
        precision: 0 to 1.
        recall: 0 to 1.
        f1: 0 to 1.
        f1_low: lower end of its 95 % interval, for micro and macro.
        f1_high: upper end of its 95 % interval, for micro and macro.
    """

    name: str
    precision: float
    recall: float
    f1: float
    f1_low: float | None
    f1_high: float | None


class Scores(msgspec.Struct, frozen=True):
    """Scores with one set of thresholds.

    Attributes:
        rule: where the thresholds come from.
        classes: one for each, in class order.
        means: micro, macro, weighted, samples.
    """

    rule: ThresholdRule
    classes: tuple[ClassScore, ...]
    means: tuple[MeanScore, ...]

    def mean(self, name: str) -> MeanScore:
        """Give a mean by its name."""
        return next(mean for mean in self.means if mean.name == name)


class DistanceScore(msgspec.Struct, frozen=True):
    """Scores at 0.5 of the same rows with another distance.

    Attributes:
        distance: "recorded", "unknown", or "other row": taken from another row at random; the
            scores are then means over several draws.
        micro_f1: 0 to 1.
        macro_f1: 0 to 1.
        flipped: share of rows whose set of tags is not the one with the recorded distance.
    """

    distance: Literal["recorded", "unknown", "other row"]
    micro_f1: float
    macro_f1: float
    flipped: float


class DroneScore(msgspec.Struct, frozen=True):
    """Scores of From Drone on one kind of its rows, those of the other kind left out.

    Attributes:
        kind: "true" where a moderator set From Drone, "pseudo" where it rests on From Above.
        support: rows of this kind.
        precision: 0 to 1.
        recall: 0 to 1.
        f1: 0 to 1.
        average_precision: `None` without support.
    """

    kind: Literal["true", "pseudo"]
    support: int
    precision: float
    recall: float
    f1: float
    average_precision: float | None


class ReliabilityBin(msgspec.Struct, frozen=True):
    """Rows whose probabilities lie in one tenth.

    Attributes:
        promised: their mean probability.
        observed: share of them that have the class.
        rows: how many.
    """

    promised: float
    observed: float
    rows: int


class ClassCalibration(msgspec.Struct, frozen=True):
    """How far one class's probabilities can be taken at their word.

    Attributes:
        name: the class.
        error: expected calibration error.
        bins: of the reliability curve, without the empty ones.
        scale: of the logits, fitted on validation rows (Platt); `None` where there are none.
        shift: of the logits, likewise.
        error_after: expected calibration error with that scale and shift.
        bins_after: of the reliability curve with that scale and shift.
    """

    name: str
    error: float
    bins: tuple[ReliabilityBin, ...]
    scale: float | None
    shift: float | None
    error_after: float | None
    bins_after: tuple[ReliabilityBin, ...]


class HeadEvaluation(msgspec.Struct, frozen=True):
    """All that is found of one head.

    Attributes:
        name: its path, as it was given.
        kind: what it was read from.
        scores: one for each set of thresholds; the first is at 0.5, the last is the one to quote.
        drone: true and pseudo drone apart, with the thresholds to quote.
        distances: how far it rests on the distance.
        calibration: of each class, in class order.
    """

    name: str
    kind: PredictorKind
    scores: tuple[Scores, ...]
    drone: tuple[DroneScore, ...]
    distances: tuple[DistanceScore, ...]
    calibration: tuple[ClassCalibration, ...]

    @property
    def quoted(self) -> Scores:
        """The scores to quote: thresholds from validation, else the head's own, else 0.5."""
        return self.scores[-1]


class Evaluation(msgspec.Struct, frozen=True):
    """Heads judged on the same rows.

    Attributes:
        data: the dataset's file, as it was given.
        data_sha256: of its bytes, in hexadecimal.
        split: whose rows were judged.
        rows: how many.
        validation_rows: on which thresholds and calibration were fitted; 0 where they were not.
        bad_rows: of the file, by reason; they take no part.
        heads: in the order given.
    """

    data: str
    data_sha256: str
    split: Split
    rows: int
    validation_rows: int
    bad_rows: dict[str, int]
    heads: tuple[HeadEvaluation, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """A short name for each head: as much of its path's end as tells it from the others."""
        paths = [PurePath(head.name) for head in self.heads]
        return tuple(_own_end(path, paths) for path in paths)


def _own_end(path: PurePath, paths: Sequence[PurePath]) -> str:
    """Give the shortest end that no other path has; all of it where one ends with all of it."""
    for length in range(1, len(path.parts)):
        end = path.parts[-length:]
        if all(other == path or other.parts[-length:] != end for other in paths):
            return str(PurePath(*end))
    return str(path)
