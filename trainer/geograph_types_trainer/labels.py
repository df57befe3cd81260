"""Labels and distance bucket of a row, from its raw tags and distance."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geograph_types.distance.distance import Distance
from geograph_types.errors import DistanceError, RowError, RowFault
from geograph_types.taxonomy import (
    CLASS_INDEX,
    CLASSES,
    CROSS_FAR,
    CROSS_GRID,
    FROM_ABOVE,
    FROM_DRONE,
    RAW_TAGS,
)

FAR_METRES: Final = 256.0
"""Beyond this distance, a photo tagged Cross Grid counts as a long view."""

GEOGRAPH: Final = "Geograph"


class CrossGridRule(StrEnum):
    """When the raw tag Cross Grid becomes the label Cross Far."""

    DISTANCE = "distance"
    """Beyond 256 m; elsewhere it becomes Geograph if it is the only tag, else nothing."""

    ALWAYS = "always"
    """At any distance."""


@dataclass(frozen=True, slots=True)
class RowTarget:
    """Training target of one row."""

    bucket: int
    labels: bytes  # seven, 1 where the class holds
    pseudo_drone: bool  # From Drone only because of the raw tag From Above


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """Training targets of many rows."""

    buckets: NDArray[np.int64]  # [N]
    labels: NDArray[np.uint8]  # [N, 7], 0 or 1
    pseudo_drone: NDArray[np.bool_]  # [N]


@lru_cache(maxsize=1 << 14)
def target_of(types: str, distance: str, rule: CrossGridRule = CrossGridRule.DISTANCE) -> RowTarget:
    """Read one row's comma-separated tags and distance; errors name row 0."""
    tags = {tag.strip() for tag in types.split(",")} - {""}
    if not tags:
        raise RowError(0, RowFault.NO_TAG, "types is empty")
    if unknown := tags.difference(RAW_TAGS):
        raise RowError(0, RowFault.UNKNOWN_TAG, f"{sorted(unknown)[0]!r} is not a Type")
    try:
        parsed = Distance.parse(distance)
    except DistanceError as error:
        raise RowError(0, RowFault.BAD_DISTANCE, str(error)) from None
    far = parsed.metres is not None and parsed.metres > FAR_METRES
    on = {CLASS_INDEX[tag] for tag in tags if tag in CLASS_INDEX}
    if FROM_ABOVE in tags:
        on.add(CLASS_INDEX[FROM_DRONE])
    if CROSS_GRID in tags:
        if far or rule is CrossGridRule.ALWAYS:
            on.add(CLASS_INDEX[CROSS_FAR])
        elif len(tags) == 1:
            on.add(CLASS_INDEX[GEOGRAPH])
    pseudo = FROM_ABOVE in tags and FROM_DRONE not in tags
    return RowTarget(parsed.bucket, bytes(i in on for i in range(len(CLASSES))), pseudo)


def targets_of(
    types: Sequence[str],
    distances: Sequence[str],
    rule: CrossGridRule = CrossGridRule.DISTANCE,
    first_row: int = 1,
) -> Targets:
    """Read the tags and distances of many rows; an error names the first row that is bad."""
    found: list[RowTarget] = []
    try:
        found.extend(target_of(*texts, rule) for texts in zip(types, distances, strict=True))
    except RowError as error:
        raise RowError(first_row + len(found), error.fault, error.detail) from None
    labels = np.frombuffer(b"".join([target.labels for target in found]), np.uint8)
    return Targets(
        np.array([target.bucket for target in found], np.int64),
        labels.reshape(len(found), len(CLASSES)),
        np.array([target.pseudo_drone for target in found], np.bool_),
    )
