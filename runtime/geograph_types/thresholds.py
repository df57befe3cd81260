"""From which probability a class is a tag, and from which it is a certain one.

Both depend on whether the distance is known: with the distance hidden, the same probability means
something else.
"""

from typing import Final, Literal, Self, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from geograph_types.distance.distance import UNKNOWN_BUCKET
from geograph_types.taxonomy import CLASSES

DistanceState: TypeAlias = Literal["known", "unknown"]

STATES: Final[tuple[DistanceState, ...]] = ("known", "unknown")
"""In the order of the rows of `Thresholds.limits`."""


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A field that the schema does not name is an error."""


class CertainThreshold(_Strict, frozen=True):
    """From which probability a tag holds with the guarantee."""

    threshold: float
    coverage: float  # share of the class's photos that got the tag so, on held-out rows


class StateThresholds(_Strict, frozen=True):
    """Thresholds in one distance state; a probability at or above one reaches it."""

    tags: dict[str, float]  # of each class
    certain: dict[str, CertainThreshold] = {}  # of the classes for which the rows allow one

    def __post_init__(self) -> None:
        if set(self.tags) != set(CLASSES) or not set(self.certain) <= set(CLASSES):
            raise ValueError("there is not one threshold for each class")
        values = [*self.tags.values(), *(one.threshold for one in self.certain.values())]
        if not all(0 <= value <= 1 for value in values):
            raise ValueError("a threshold is not between 0 and 1")


class Guarantee(_Strict, frozen=True):
    """What certain tags promise: a precision at least, with a confidence."""

    precision: float = 0.95
    confidence: float = 0.9

    def __str__(self) -> str:
        """Return it in words."""
        return f"precision at least {self.precision:g} with confidence {self.confidence:g}"


class Thresholds(_Strict, frozen=True):
    """All thresholds of a head."""

    known: StateThresholds
    unknown: StateThresholds
    guarantee: Guarantee | None = None  # `None` if no certain thresholds were ever looked for

    @classmethod
    def uniform(cls, threshold: float = 0.5) -> Self:
        """Return one threshold for all classes, and no certain tags."""
        same = StateThresholds(dict.fromkeys(CLASSES, threshold))
        return cls(same, same)

    def with_tags(self, threshold: float) -> "Thresholds":
        """Replace the thresholds of tags by one for all classes; certain ones stay."""
        tags = dict.fromkeys(CLASSES, threshold)
        known, unknown = (
            StateThresholds(tags, state.certain) for state in (self.known, self.unknown)
        )
        return Thresholds(known, unknown, self.guarantee)

    def of(self, state: DistanceState) -> StateThresholds:
        """Return those of a distance state."""
        return self.known if state == "known" else self.unknown

    def at(self, bucket: int) -> StateThresholds:
        """Return those for a distance bucket."""
        return self.unknown if bucket == UNKNOWN_BUCKET else self.known

    def limits(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return thresholds of tags and of certain tags, [2, 7] by state; infinite for none."""
        states = [self.of(state) for state in STATES]
        tags = [[state.tags[name] for name in CLASSES] for state in states]
        certain = np.full((len(states), len(CLASSES)), np.inf)
        for row, state in enumerate(states):
            for name, one in state.certain.items():
                certain[row, CLASSES.index(name)] = one.threshold
        # In float64, as Python compares: a threshold rounded to float32 may lie on the other side.
        return np.array(tags, np.float64), certain
