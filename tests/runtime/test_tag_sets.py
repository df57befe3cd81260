import numpy as np
import pytest

from geograph_types.tags import TAG_SETS, choose_tag_sets, final_tags
from geograph_types.taxonomy import CLASSES
from geograph_types.thresholds import CertainThreshold, StateThresholds, Thresholds

HALF = dict.fromkeys(CLASSES, 0.5)
SEVERAL = dict(zip(CLASSES, (0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0), strict=True))


CERTAIN = {name: CertainThreshold(0.8, 0.5) for name in CLASSES[2:]}


@pytest.mark.parametrize("tags", [HALF, SEVERAL])
def test_sets_are_final_tags(tags: dict[str, float]) -> None:
    thresholds = Thresholds(StateThresholds(tags), StateThresholds(HALF, CERTAIN))
    rng = np.random.default_rng(4)
    rows = rng.random((3000, 7), np.float32)
    rows[::3] *= 0.2
    # On a threshold, and next to it on either side, in float32.
    limits = np.array(list(tags.values()), np.float32)
    places = rng.random(rows.shape) < 0.3
    near = np.nextafter(limits, rng.choice([-1, 1], rows.shape).astype(np.float32))
    rows = np.where(places, np.where(rng.random(rows.shape) < 0.5, limits, near), rows)
    buckets = rng.integers(20, 23, len(rows))
    found = choose_tag_sets(rows, buckets, thresholds)
    for row, bucket, number, certain, guess in zip(rows.tolist(), buckets, *found, strict=True):
        expected = final_tags(row, thresholds.at(bucket), None)
        assert (TAG_SETS[number], TAG_SETS[certain], bool(guess)) == expected
    assert 0 < found.guessed.sum() < len(rows)
    none = choose_tag_sets(rows[:0], buckets[:0], thresholds)
    assert [len(part) for part in none] == [0, 0, 0]
