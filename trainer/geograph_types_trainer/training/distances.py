"""Stochastic dropout of the distance, so that the head reads the picture instead of the distance.

Given the same picture and another distance, released heads swing from one class to another. Each
policy chooses the distances that a row is shown with in an epoch.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geograph_types.distance.distance import UNKNOWN_BUCKET
from geograph_types.taxonomy import CLASS_INDEX, CROSS_FAR
from geograph_types_trainer.chance import uniform_by_id
from geograph_types_trainer.dataset.memory import DistanceRows

NEAR_BUCKETS: Final = 10
"""Random distances of the released policies: index 0 to 9, below 512 m."""

RESAMPLE_SHARES: Final = (0.56, 0.24, 0.10, 0.10)
"""Of the loss: at the recorded distance, unknown, and at two other rows' distances."""

OTHERS_FROM: Final = 2
"""Index of the first view that shows other rows' distances, if there are any."""

CHOICE: Final = 1
VALUE: Final = 2
"""Purposes of random numbers: which rows change, and to what."""

VALIDATION_EPOCH: Final = 0
"""Takes the place of the epoch in draws for validation; epochs count from 1."""


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """The distances that rows are shown with, in K ways at once.

    Of several, the first is as recorded, and those from `OTHERS_FROM` on are other rows'.
    """

    shares: tuple[float, ...]  # [K], of the loss; they sum to 1
    buckets: NDArray[np.int64]  # [K, N]


def none(rows: DistanceRows, seed: int, epoch: int) -> Views:
    """Show every row with the distance as recorded."""
    return Views((1.0,), rows.buckets[None])


def released_v2_1(rows: DistanceRows, seed: int, epoch: int) -> Views:
    """Show 15 % of the Cross Far rows as unknown and 15 % at a random index 0-9, once for all."""
    chance = uniform_by_id(rows.ids, seed, CHOICE)
    far = rows.labels[:, CLASS_INDEX[CROSS_FAR]] > 0
    buckets = np.where(far & (chance < 0.15), UNKNOWN_BUCKET, rows.buckets)
    near = far & (chance >= 0.15) & (chance < 0.30)
    return Views((1.0,), np.where(near, _near(rows, seed), buckets)[None])


def released_v2_3(rows: DistanceRows, seed: int, epoch: int) -> Views:
    """Show 30 % of all rows as unknown, and all other Cross Far rows at a random index 0-9."""
    unknown = uniform_by_id(rows.ids, seed, CHOICE) < 0.30
    far = rows.labels[:, CLASS_INDEX[CROSS_FAR]] > 0
    buckets = np.where(far, _near(rows, seed), rows.buckets)
    return Views((1.0,), np.where(unknown, UNKNOWN_BUCKET, buckets)[None])


def resample(rows: DistanceRows, seed: int, epoch: int) -> Views:
    """Show every row as recorded, unknown, and at the distances of two other rows.

    All classes alike, so that no distance speaks for or against a class more than it should. The
    other rows' distances are drawn anew in each epoch.
    """
    buckets = np.full((len(RESAMPLE_SHARES), len(rows.ids)), UNKNOWN_BUCKET, np.int64)
    buckets[0] = rows.buckets
    ordered = np.sort(rows.buckets)
    for view in range(OTHERS_FROM, len(RESAMPLE_SHARES)):
        place = uniform_by_id(rows.ids, seed, epoch, VALUE, view) * len(rows.ids)
        buckets[view] = ordered[place.astype(np.int64)]
    return Views(RESAMPLE_SHARES, buckets)


def _near(rows: DistanceRows, seed: int) -> NDArray[np.int64]:
    return (uniform_by_id(rows.ids, seed, VALUE) * NEAR_BUCKETS).astype(np.int64)


Policy = Callable[[DistanceRows, int, int], Views]

POLICIES: Final[Mapping[str, Policy]] = {
    "none": none,
    "v2.1": released_v2_1,
    "v2.3": released_v2_3,
    "resample": resample,
}


def training_views(policy: str, rows: DistanceRows, seed: int, epoch: int) -> Views:
    """Return how rows are shown in an epoch of training, from 1."""
    return POLICIES[policy](rows, seed, epoch)


def validation_views(policy: str, rows: DistanceRows, seed: int) -> Views:
    """Return how rows are shown in validation, the same after every epoch.

    As published, the released policies are scored with distances as recorded.
    """
    chosen = resample if policy == "resample" else none
    return chosen(rows, seed, VALIDATION_EPOCH)
