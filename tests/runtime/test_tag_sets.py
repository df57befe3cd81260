import numpy as np
import pytest

from geograph_types.tags import TAG_SETS, choose_tag_sets, final_tags
from geograph_types.taxonomy import CLASSES

HALF = dict.fromkeys(CLASSES, 0.5)
SEVERAL = dict(zip(CLASSES, (0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0), strict=True))


@pytest.mark.parametrize("thresholds", [HALF, SEVERAL])
def test_sets_are_final_tags(thresholds: dict[str, float]) -> None:
    rng = np.random.default_rng(4)
    rows = rng.random((3000, 7), np.float32)
    rows[::3] *= 0.2
    # On a threshold, and next to it on either side, in float32.
    limits = np.array(list(thresholds.values()), np.float32)
    places = rng.random(rows.shape) < 0.3
    near = np.nextafter(limits, rng.choice([-1, 1], rows.shape).astype(np.float32))
    rows = np.where(places, np.where(rng.random(rows.shape) < 0.5, limits, near), rows)
    sets, guessed = choose_tag_sets(rows, thresholds)
    for row, number, guess in zip(rows.tolist(), sets, guessed, strict=True):
        assert (TAG_SETS[number], bool(guess)) == final_tags(row, thresholds, None)
    assert 0 < guessed.sum() < len(rows)
    assert [len(part) for part in choose_tag_sets(rows[:0], thresholds)] == [0, 0]
