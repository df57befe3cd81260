"""What the tagger returns for one photo."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from geograph_types.distance.distance import Distance
from geograph_types.taxonomy import CROSS_GRID


class Prediction(msgspec.Struct, frozen=True):
    """Probabilities and tags of one photo, and what they rest on."""

    probabilities: Mapping[str, float]  # by class, read-only; independent of one another
    tags: tuple[str, ...]  # with Cross Grid in place of the model's Cross Far
    certain: tuple[str, ...]  # those of the tags that hold with the bundle's guarantee
    low_confidence: bool  # no class reached its threshold, so `tags` holds the best guess
    distance: Distance  # that the head was given
    model: str  # name and version of the bundle
    stand_in: bool  # the encoder's weights mean nothing on real photos

    def __post_init__(self) -> None:
        read_only = MappingProxyType(dict(self.probabilities))
        msgspec.structs.force_setattr(self, "probabilities", read_only)

    def __reduce__(self) -> tuple[Any, ...]:
        # A MappingProxyType can neither be pickled nor copied.
        first, *others = msgspec.structs.astuple(self)
        return Prediction, (dict(first), *others)

    @property
    def tags_without_guess(self) -> tuple[str, ...]:
        """The tags above their threshold, and what geometry decides."""
        if not self.low_confidence:
            return self.tags
        return (CROSS_GRID,) if self.distance.crosses_grid else ()

    def only_certain(self) -> "Prediction":
        """Return it with the certain tags alone, which may be none."""
        return msgspec.structs.replace(self, tags=self.certain, low_confidence=False)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; probabilities have seven decimals."""
        return {
            "probabilities": {name: round(p, 7) for name, p in self.probabilities.items()},
            "tags": list(self.tags),
            "certain": list(self.certain),
            "low_confidence": self.low_confidence,
            "distance": self.distance.as_dict(),
            "cross_grid": self.distance.crossing.value,
            "model": self.model,
            "stand_in": self.stand_in,
        }
