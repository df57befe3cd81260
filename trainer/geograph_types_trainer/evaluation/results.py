"""The results of an evaluation, in the form in which they are written as JSON."""

from collections.abc import Sequence
from pathlib import PurePath
from typing import Literal, TypeAlias

import msgspec

from geograph_types.thresholds import DistanceState, Guarantee
from geograph_types_trainer.evaluation.predictor import PredictorKind

Split: TypeAlias = Literal["tes", "val", "all"]
ThresholdRule: TypeAlias = Literal["0.5", "own", "validation"]
"""Where thresholds come from: 0.5 for all, the head's own, or fitted on the validation rows."""


Seen: TypeAlias = Literal["trained", "tuned"] | None
"""What rows served a head for before they are scored: some to train it, or all to tune it."""


Interval: TypeAlias = tuple[float, float]
"""Ends of a 95 % interval."""


class ClassScore(msgspec.Struct, frozen=True):
    """Scores of one class."""

    name: str
    support: int
    threshold: float
    precision: float
    recall: float
    f1: float
    f1_interval: Interval
    empty_draws: int  # of the 1,000 behind the interval, those without a row of the class
    average_precision: float | None  # None without support


class MeanScore(msgspec.Struct, frozen=True):
    """A mean of the classes' scores."""

    # "micro" (all decisions together), "macro" (classes alike), "weighted" (by support),
    # "samples" (rows alike).
    name: str
    precision: float
    recall: float
    f1: float
    f1_interval: Interval | None  # for micro and macro


class Scores(msgspec.Struct, frozen=True):
    """Scores with one set of thresholds."""

    rule: ThresholdRule
    classes: tuple[ClassScore, ...]  # in class order
    means: tuple[MeanScore, ...]

    def mean(self, name: str) -> MeanScore:
        """Return a mean by its name."""
        return next(mean for mean in self.means if mean.name == name)


class TagPrecision(msgspec.Struct, frozen=True):
    """How many of the tags from a threshold on are right, and how many rows get theirs so."""

    threshold: float
    tagged: int
    right: int
    interval: Interval  # exact, of the precision
    coverage: float  # share of the rows with the class, or the classes, that are tagged

    @property
    def precision(self) -> float | None:
        """The share of tags that are right; `None` without tags."""
        return self.right / self.tagged if self.tagged else None


class DistanceScore(msgspec.Struct, frozen=True):
    """Scores at 0.5 of the same rows with another distance."""

    # "other row": taken from another row at random; scores are means over several draws.
    distance: Literal["recorded", "unknown", "other row"]
    micro_f1: float
    macro_f1: float
    flipped: float  # share of rows whose tags differ from those at the recorded distance


class DroneScore(msgspec.Struct, frozen=True):
    """Scores of From Drone on one kind of its rows, those of the other kind left out."""

    kind: Literal["true", "pseudo"]  # set by a moderator, or taken from From Above
    support: int
    precision: float
    recall: float
    f1: float
    average_precision: float | None  # None without support


class ReliabilityBin(msgspec.Struct, frozen=True):
    """Rows whose probabilities lie in one tenth."""

    promised: float  # their mean probability
    observed: float  # share of them that have the class
    rows: int


class ClassCalibration(msgspec.Struct, frozen=True):
    """Calibration of one class, before and after scaling its logits (Platt)."""

    name: str
    error: float  # expected calibration error
    bins: tuple[ReliabilityBin, ...]  # without the empty ones
    # Fitted on validation rows; None, and no bins, if there are none.
    line: tuple[float, float, float] | None = None  # scale, shift, and step for far distances
    error_after: float | None = None
    bins_after: tuple[ReliabilityBin, ...] = ()


class StateEvaluation(msgspec.Struct, frozen=True):
    """The results in one distance state: where it is known, or of all rows with it hidden."""

    state: DistanceState
    rows: int
    scores: tuple[Scores, ...]  # the first at 0.5, the last is the one to quote
    at_075: tuple[TagPrecision, ...]  # in class order, then of all classes together
    certain: tuple[TagPrecision | None, ...]  # in class order; None without such a threshold
    drone: tuple[DroneScore, ...]  # with the thresholds to quote
    calibration: tuple[ClassCalibration, ...]  # in class order

    @property
    def quoted(self) -> Scores:
        """The scores to quote: thresholds from validation, else the head's own, else 0.5."""
        return self.scores[-1]


class HeadEvaluation(msgspec.Struct, frozen=True):
    """The results of one head."""

    name: str  # its path, as it was given
    kind: PredictorKind
    seen: Seen
    states: tuple[StateEvaluation, ...]  # known, if there are such rows, and unknown
    guarantee: Guarantee | None  # of the certain tags; None if none were looked for
    distances: tuple[DistanceScore, ...]


class Evaluation(msgspec.Struct, frozen=True):
    """The results of several heads on the same rows."""

    data: str  # the dataset's file, as it was given
    data_sha256: str
    split: Split
    rows: int
    # Of a sample's rows that are scored, and of those of each class: how many were kept, of how
    # many. Empty if the file is not a sample, or does not say.
    sampled: dict[str, tuple[int, int]]
    validation_rows: int  # on which thresholds and calibration were fitted; 0 if they were not
    bad_rows: dict[str, int]  # left out, by reason
    heads: tuple[HeadEvaluation, ...]

    @property
    def sample_remark(self) -> str:
        """How the file's rows that are scored were sampled; empty if they were not."""
        if not self.sampled:
            return ""
        kept, whole = self.sampled["rows"]
        share = kept / max(whole, 1)
        uneven = [
            f"{found / there:.0%} of {name}"
            for name, (found, there) in self.sampled.items()
            if abs(found - share * there) > max(2.0, 0.1 * share * there)
        ]
        if not uneven:
            return f"a sample of {share:.0%} of the rows, every class in proportion"
        return (
            f"a sample of {share:.0%} of the rows but {', '.join(uneven)}, so its scores are not "
            "those of the whole"
        )

    @property
    def labels(self) -> tuple[str, ...]:
        """The shortest end of each head's path that tells it from the others."""
        paths = [PurePath(head.name) for head in self.heads]
        return tuple(_own_end(path, paths) for path in paths)


def _own_end(path: PurePath, paths: Sequence[PurePath]) -> str:
    """Return the shortest end that no other path has; all of it if one ends with all of it."""
    for length in range(1, len(path.parts)):
        end = path.parts[-length:]
        if all(other == path or other.parts[-length:] != end for other in paths):
            return str(PurePath(*end))
    return str(path)
