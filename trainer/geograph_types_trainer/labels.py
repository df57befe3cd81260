"""What the raw tags and the distance of a row mean: its labels and its distance bucket."""

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
"""Beyond this distance a photo tagged Cross Grid is taken for a long view."""

GEOGRAPH: Final = "Geograph"


class CrossGridRule(StrEnum):
    """When the raw tag Cross Grid makes the label Cross Far."""

    DISTANCE = "distance"
    """Beyond 256 m; elsewhere it makes Geograph if it is the only tag, else nothing."""

    ALWAYS = "always"
    """Whatever the distance."""


@dataclass(frozen=True, slots=True)
class RowTarget:
    """What one row teaches.

    Attributes:
        bucket: its distance bucket.
        labels: seven bytes, 1 where the class holds.
        pseudo_drone: whether From Drone rests on the raw tag From Above alone.
    """

    bucket: int
    labels: bytes
    pseudo_drone: bool


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """What many rows teach.

    Attributes:
        buckets: int64 [N], distance buckets.
        labels: uint8 [N, 7], 0 or 1.
        pseudo_drone: bool [N].
    """

    buckets: NDArray[np.int64]
    labels: NDArray[np.uint8]
    pseudo_drone: NDArray[np.bool_]


@lru_cache(maxsize=1 << 14)
def target_of(types: str, distance: str, rule: CrossGridRule = CrossGridRule.DISTANCE) -> RowTarget:
    """Read the tags and the distance of one row.

    Args:
        types: comma-separated raw tags.
        distance: metres, "" for 0, or "Unknown".
        rule: when Cross Grid makes Cross Far.

    Raises:
        RowError: no tag, an unknown tag or a bad distance, as row 0: the caller knows the row.
    """
    tags = {tag.strip() for tag in types.split(",")} - {""}
    if not tags:
        raise RowError(0, RowFault.NO_TAG, "types is empty")
    if unknown := tags.difference(RAW_TAGS):
        raise RowError(0, RowFault.UNKNOWN_TAG, f"{sorted(unknown)[0]!r} is no Type")
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
    """Read the tags and distances of many rows.

    Args:
        types: [N] comma-separated raw tags.
        distances: [N] texts as published.
        rule: when Cross Grid makes Cross Far.
        first_row: the number of the first of them, for errors.

    Raises:
        RowError: the first row that has no tag, an unknown tag or a bad distance.
    """
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
