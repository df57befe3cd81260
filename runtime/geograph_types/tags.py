"""From probabilities to the final tags."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geograph_types.taxonomy import CLASSES, CROSS_FAR, CROSS_GRID, FROM_ABOVE, FROM_DRONE

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
    """Choose the tags of many photos, [N, 7] probabilities, whose positions are unknown.

    Returned are uint8 [N], places in `TAG_SETS`, and bool [N], whether a set is only the best guess
    because no class reached its threshold.
    """
    scores = np.asarray(probabilities)
    # In float64, as Python compares: a threshold rounded to float32 may lie on the other side.
    limits = np.array([thresholds[name] for name in CLASSES], np.float64)
    bits = np.left_shift(1, np.arange(len(CLASSES))).astype(np.uint8)
    sets = (scores >= limits) @ bits
    guessed = sets == 0
    sets[guessed] = bits[scores[guessed].argmax(axis=1)]
    return sets, guessed


def final_tags(
    probabilities: Sequence[float], thresholds: Mapping[str, float], crosses_grid: bool | None
) -> tuple[tuple[str, ...], bool]:
    """Choose the tags of one photo, and return whether they are only the best guess.

    The model's Cross Far means "looks like a long view", and the tag Cross Grid is geometry: if
    both positions are known they decide it, else Cross Far stands for it.
    """
    scores = dict(zip(CLASSES, probabilities, strict=True))
    chosen = {name for name in CLASSES if scores[name] >= thresholds[name]}
    if crosses_grid is False:
        chosen.discard(CROSS_FAR)
        del scores[CROSS_FAR]
    low_confidence = not chosen
    if low_confidence:
        chosen = {max(scores, key=scores.__getitem__)}
    if crosses_grid:
        chosen.add(CROSS_FAR)
    tags = (name for name in CLASSES if name in chosen)
    return tuple(CROSS_GRID if name == CROSS_FAR else name for name in tags), low_confidence


def same_tags(tags: Collection[str], types: str) -> bool:
    """Check whether final tags are the moderators' comma-separated raw tags."""
    given = {tag.strip() for tag in types.split(",")} - {""}
    return set(tags) == {FROM_DRONE if tag == FROM_ABOVE else tag for tag in given}
