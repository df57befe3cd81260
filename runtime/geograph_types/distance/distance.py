"""The distance between camera and subject, and the 23 buckets in which the head reads it."""

import math
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from geograph_types.distance.crossing import Crossing, crossing_of
from geograph_types.distance.grid import SQUARE_METRES, GridPosition
from geograph_types.errors import DistanceError

BUCKET_COUNT: Final = 23
UNKNOWN_BUCKET: Final = 22
LIMIT_METRES: Final = 2.0**21
"""Distances from here on count as unknown: no two places of these islands lie so far apart."""
BUCKET_EDGES: Final = 2.0 ** np.arange(BUCKET_COUNT - 1)
"""[22] metres from which on the next bucket begins, the last one at the limit."""

METRES_TEXT: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{0,12})?")


class DistanceBasis(StrEnum):
    """What a distance rests on."""

    METRES = "metres"
    POSITIONS = "positions"
    TOO_COARSE = "reference_too_coarse"
    UNKNOWN = "unknown"


class DistanceSource(StrEnum):
    """Where a distance comes from."""

    GIVEN = "given"
    STATED = "csv"
    CSV_AND_EXIF = "csv_and_exif"
    EXIF = "exif"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Distance:
    """How far the camera stood from the subject.

    Make one with `from_metres`, `between`, `parse` or `unknown`.

    Raises:
        DistanceError: metres below 0 or not finite, or metres that do not go with the basis.
    """

    metres: float | None  # `None` if unknown
    basis: DistanceBasis
    # Whether the two stand in different 1 km squares, or why that is not known.
    crossing: Crossing = Crossing.UNKNOWN
    source: DistanceSource = DistanceSource.GIVEN

    def __post_init__(self) -> None:
        measured = self.basis in (DistanceBasis.METRES, DistanceBasis.POSITIONS)
        if measured != (self.metres is not None):
            raise DistanceError(self.metres)
        if self.metres is not None and not (math.isfinite(self.metres) and self.metres >= 0):
            raise DistanceError(self.metres)

    @classmethod
    def unknown(cls) -> "Distance":
        """Return the distance if the position of camera or subject is missing."""
        return cls(None, DistanceBasis.UNKNOWN, source=DistanceSource.UNKNOWN)

    @classmethod
    def from_metres(cls, metres: float | None) -> "Distance":
        """Return a distance of metres; `None`, NaN and 2^21 m or more are unknown.

        Raises:
            DistanceError: below 0.
        """
        if metres is not None and (
            isinstance(metres, bool)
            or not isinstance(metres, int | float | np.integer | np.floating)
        ):
            raise DistanceError(metres)
        if metres is None or math.isnan(metres) or metres >= LIMIT_METRES:
            return cls.unknown()
        return cls(float(metres), DistanceBasis.METRES)

    @classmethod
    def between(cls, camera: GridPosition | None, subject: GridPosition | None) -> "Distance":
        """Measure from camera to subject, both on the same grid; `None` for an unknown position.

        A position that is not known to less than 1 km, as a 4-figure reference, gives no distance
        in metres; it may still tell whether the grid is crossed.

        Raises:
            GridError: the two positions are on different grids.
        """
        if camera is None or subject is None:
            return cls.unknown()
        crossing = crossing_of(camera, subject)
        if max(camera.reach_metres, subject.reach_metres) >= SQUARE_METRES:
            return cls(None, DistanceBasis.TOO_COARSE, crossing)
        metres = math.hypot(camera.easting - subject.easting, camera.northing - subject.northing)
        return cls(metres, DistanceBasis.POSITIONS, crossing)

    @classmethod
    def parse(cls, text: str) -> "Distance":
        """Read the published dataset's field: metres, "" for 0, or "Unknown".

        Raises:
            DistanceError: anything else.
        """
        stripped = text.strip()
        if not stripped:
            return cls.from_metres(0.0)
        if stripped.casefold() == "unknown":
            return cls.unknown()
        if not METRES_TEXT.fullmatch(stripped):
            raise DistanceError(text)
        return cls.from_metres(float(stripped))

    @classmethod
    def of(cls, value: "DistanceLike") -> "Distance":
        """Return a distance from one, a number of metres, or `None` for unknown.

        Raises:
            DistanceError: another type, or metres below 0.
        """
        if isinstance(value, Distance):
            return value
        return cls.from_metres(value)

    @property
    def crosses_grid(self) -> bool | None:
        """Whether the grid is crossed; `None` if positions do not tell."""
        decided = {Crossing.CROSSED: True, Crossing.NOT_CROSSED: False}
        return decided.get(self.crossing)

    @property
    def bucket(self) -> int:
        """Index 0 below 1 m, 1 to 21 for floor powers of two 2^0 to 2^20 m, 22 for unknown."""
        if self.metres is None or self.metres >= LIMIT_METRES:
            return UNKNOWN_BUCKET
        # frexp gives m * 2^e with 0.5 <= m < 1: e is floor(log2) + 1, exactly, with no rounding.
        return max(math.frexp(self.metres)[1], 0) if self.metres >= 1 else 0

    def as_dict(self) -> dict[str, float | int | str | None]:
        """Return plain values for JSON."""
        return {
            "metres": self.metres,
            "bucket": self.bucket,
            "basis": self.basis.value,
            "source": self.source.value,
        }


DistanceLike: TypeAlias = Distance | float | int | None
"""What is accepted as a distance: a `Distance`, metres, or `None` for unknown."""


def buckets_of(metres: NDArray[np.floating]) -> NDArray[np.int64]:
    """Compute the buckets, [N], of many distances, [N] metres with NaN for unknown."""
    negative = metres[metres < 0]
    if negative.size:
        raise DistanceError(float(negative[0]))
    # NaN counts as beyond the last edge, which is where the unknown are.
    return np.searchsorted(BUCKET_EDGES, metres, side="right").astype(np.int64)


def bucket_text(bucket: int) -> str:
    """Write a bucket as the published dataset's `distance` field does."""
    if not 0 <= bucket < BUCKET_COUNT:
        raise DistanceError(bucket)
    if bucket == UNKNOWN_BUCKET:
        return "Unknown"
    return "0" if bucket == 0 else str(1 << (bucket - 1))
