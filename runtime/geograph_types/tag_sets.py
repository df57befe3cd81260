"""Sets of tags as numbers, so that those of many photos are chosen, compared and counted at once.

Bit i of a set is class i; there are 128 sets. Where positions are unknown, Cross Far stands for
Cross Grid, as in `final_tags`.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geograph_types.taxonomy import CLASSES, CROSS_FAR, CROSS_GRID

__all__ = ["FINAL_TAGS", "TAG_SETS", "choose_tag_sets"]

FINAL_TAGS: Final[tuple[str, ...]] = tuple(
    CROSS_GRID if name == CROSS_FAR else name for name in CLASSES
)
"""The tag that each class sets where positions are unknown, in the order of the head's outputs."""

TAG_SETS: Final[tuple[tuple[str, ...], ...]] = tuple(
    tuple(tag for bit, tag in enumerate(FINAL_TAGS) if number >> bit & 1)
    for number in range(1 << len(FINAL_TAGS))
)
"""The tags of each set, in class order."""


def choose_tag_sets(
    probabilities: ArrayLike, thresholds: Mapping[str, float]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Choose the tags of many photos whose positions are unknown, as `final_tags` does of one.

    Args:
        probabilities: [N, 7].
        thresholds: by class; a probability at or above it sets the tag.

    Returns:
        uint8 [N], the sets; and bool [N], whether a set is only the best guess because no class
        reached its threshold.
    """
    scores = np.asarray(probabilities)
    # In float64, as Python compares: a threshold rounded to float32 may lie on the other side.
    limits = np.array([thresholds[name] for name in CLASSES], np.float64)
    bits = np.left_shift(1, np.arange(len(CLASSES))).astype(np.uint8)
    sets = (scores >= limits) @ bits
    guessed = sets == 0
    sets[guessed] = bits[scores[guessed].argmax(axis=1)]
    return sets, guessed
