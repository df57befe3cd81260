"""From probabilities to the final tags."""

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geograph_types.distance.distance import UNKNOWN_BUCKET
from geograph_types.taxonomy import CLASSES, CROSS_FAR, CROSS_GRID, FROM_ABOVE, FROM_DRONE
from geograph_types.thresholds import StateThresholds, Thresholds

FINAL_TAGS: Final[tuple[str, ...]] = tuple(
    CROSS_GRID if name == CROSS_FAR else name for name in CLASSES
)
"""The tag that each class sets where positions are unknown, in the order of the head's outputs."""

TAG_SETS: Final[tuple[tuple[str, ...], ...]] = tuple(
    tuple(tag for bit, tag in enumerate(FINAL_TAGS) if number >> bit & 1)
    for number in range(1 << len(FINAL_TAGS))
)
"""The tags of each set, in class order."""


class TagSets(NamedTuple):
    """The tags of N photos, [N]; sets are places in `TAG_SETS`."""

    tags: NDArray[np.uint8]
    certain: NDArray[np.uint8]  # those of the tags that hold with the guarantee
    guessed: NDArray[np.bool_]  # the set is only the best guess: no class reached its threshold


class FinalTags(NamedTuple):
    """The tags of one photo."""

    tags: tuple[str, ...]
    certain: tuple[str, ...]  # those of the tags that hold with the guarantee
    low_confidence: bool  # they are only the best guess: no class reached its threshold


def choose_tag_sets(
    probabilities: ArrayLike, buckets: NDArray[np.integer], thresholds: Thresholds
) -> TagSets:
    """Choose the tags of many photos, [N, 7] probabilities, whose positions are unknown.

    `buckets` [N] are those of their distances.
    """
    scores = np.asarray(probabilities)
    states = (buckets == UNKNOWN_BUCKET).astype(np.intp)
    limits, certain_limits = (limit[states] for limit in thresholds.limits())
    bits = np.left_shift(1, np.arange(len(CLASSES))).astype(np.uint8)
    reached = scores >= limits
    sets, certain = reached @ bits, (reached & (scores >= certain_limits)) @ bits
    guessed = sets == 0
    sets[guessed] = bits[scores[guessed].argmax(axis=1)]
    return TagSets(sets, certain, guessed)


def final_tags(
    probabilities: Sequence[float], thresholds: StateThresholds, crosses_grid: bool | None
) -> FinalTags:
    """Choose the tags of one photo, with the thresholds of its distance state.

    The model's Cross Far means "looks like a long view", and the tag Cross Grid is geometry: if
    both positions are known they decide it, else Cross Far stands for it.
    """
    scores = dict(zip(CLASSES, probabilities, strict=True))
    chosen = {name for name in CLASSES if scores[name] >= thresholds.tags[name]}
    if crosses_grid is False:
        chosen.discard(CROSS_FAR)
        del scores[CROSS_FAR]
    certain = {
        name
        for name, limit in thresholds.certain.items()
        if name in chosen and scores[name] >= limit.threshold
    }
    low_confidence = not chosen
    if low_confidence:
        chosen = {max(scores, key=scores.__getitem__)}
    if crosses_grid:
        chosen.add(CROSS_FAR)
        certain.add(CROSS_FAR)
    return FinalTags(_spelled(chosen), _spelled(certain), low_confidence)


def _spelled(chosen: Collection[str]) -> tuple[str, ...]:
    pairs = zip(CLASSES, FINAL_TAGS, strict=True)
    return tuple(tag for name, tag in pairs if name in chosen)


def same_tags(tags: Collection[str], types: str) -> bool:
    """Check whether final tags are the moderators' comma-separated raw tags."""
    given = {tag.strip() for tag in types.split(",")} - {""}
    return set(tags) == {FROM_DRONE if tag == FROM_ABOVE else tag for tag in given}
