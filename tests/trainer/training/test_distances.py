import numpy as np
import pytest

from geograph_types.distance.distance import UNKNOWN_BUCKET
from geograph_types.taxonomy import CLASS_INDEX, CLASSES
from geograph_types_trainer.dataset.memory import DistanceRows
from geograph_types_trainer.training.distances import POLICIES, training_views, validation_views

COUNT = 20_000
FAR = CLASS_INDEX["Cross Far"]


@pytest.fixture(scope="module")
def rows() -> DistanceRows:
    rng = np.random.default_rng(5)
    labels = (rng.random((COUNT, len(CLASSES))) < 0.3).astype(np.uint8)
    return DistanceRows(rng.permutation(COUNT * 7)[:COUNT], rng.integers(0, 23, COUNT), labels)


def far_rows(rows: DistanceRows) -> np.ndarray:
    return rows.labels[:, FAR] > 0


def test_v2_1_changes_cross_far_rows_alone(rows: DistanceRows) -> None:
    (buckets,) = training_views("v2.1", rows, seed=1, epoch=1).buckets
    far = far_rows(rows)
    assert np.array_equal(buckets[~far], rows.buckets[~far])
    known = far & (rows.buckets >= 10) & (rows.buckets < UNKNOWN_BUCKET)
    assert (buckets[known] == UNKNOWN_BUCKET).mean() == pytest.approx(0.15, abs=0.02)
    assert (buckets[known] < 10).mean() == pytest.approx(0.15, abs=0.02)


def test_v2_3_hides_all_rows_alike_and_moves_every_other_cross_far_row(rows: DistanceRows) -> None:
    (buckets,) = training_views("v2.3", rows, seed=1, epoch=1).buckets
    far = far_rows(rows)
    for group in (far, ~far & (rows.buckets != UNKNOWN_BUCKET)):
        assert (buckets[group] == UNKNOWN_BUCKET).mean() == pytest.approx(0.30, abs=0.02)
    moved = buckets[far & (buckets != UNKNOWN_BUCKET)]
    assert np.bincount(moved).size == 10
    assert np.bincount(moved).min() > 0.08 * len(moved)
    kept = ~far & (buckets != UNKNOWN_BUCKET)
    assert np.array_equal(buckets[kept], rows.buckets[kept])


def test_released_policies_draw_once_for_all_epochs(rows: DistanceRows) -> None:
    for name in ("v2.1", "v2.3"):
        draws = ((1, 1), (1, 9), (2, 1))
        first, late, other = (training_views(name, rows, *draw).buckets for draw in draws)
        assert np.array_equal(first, late)
        assert not np.array_equal(first, other)


def test_resample_shows_recorded_unknown_and_others(rows: DistanceRows) -> None:
    views = training_views("resample", rows, seed=1, epoch=1)
    assert views.shares == (0.56, 0.24, 0.10, 0.10)
    recorded, unknown, other, another = views.buckets
    next_epoch = training_views("resample", rows, seed=1, epoch=2).buckets[2]
    assert max((other == another).mean(), (other == next_epoch).mean()) < 0.1
    assert np.array_equal(recorded, rows.buckets)
    assert (unknown == UNKNOWN_BUCKET).all()
    shares = np.bincount(rows.buckets, minlength=23) / COUNT
    assert np.bincount(other, minlength=23) / COUNT == pytest.approx(shares, abs=0.01)
    assert abs(np.corrcoef(recorded, other)[0, 1]) < 0.03


@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_a_row_is_shown_alike_whatever_its_place(rows: DistanceRows, policy: str) -> None:
    order = np.random.default_rng(6).permutation(COUNT)
    moved = DistanceRows(rows.ids[order], rows.buckets[order], rows.labels[order])
    here = training_views(policy, rows, seed=4, epoch=2).buckets
    there = training_views(policy, moved, seed=4, epoch=2).buckets
    assert np.array_equal(here[:, order], there)


def test_validation_shows_what_the_policy_is_for(rows: DistanceRows) -> None:
    assert len(validation_views("resample", rows, seed=1).shares) == 4
    for name in ("none", "v2.1", "v2.3"):
        assert np.array_equal(validation_views(name, rows, seed=1).buckets[0], rows.buckets)
    views = training_views("none", rows, seed=1, epoch=3)
    assert views.shares == (1.0,)
    assert np.array_equal(views.buckets[0], rows.buckets)
