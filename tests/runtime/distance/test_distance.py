"""The 23 buckets, and everything that a distance can be made from."""

import math

import numpy as np
import pytest

from geograph_types import Distance, DistanceBasis, Grid, GridPosition
from geograph_types.distance.distance import BUCKET_COUNT, UNKNOWN_BUCKET, bucket_text, buckets_of
from geograph_types.errors import DistanceError, GridError

# The published mapping, written out: floor powers of two from 1 m on, 0 below, 22 for unknown.
PUBLISHED = {"": 0, "0": 0, "Unknown": 22} | {str(2**power): power + 1 for power in range(21)}


@pytest.mark.parametrize(("text", "bucket"), PUBLISHED.items())
def test_published_texts_have_the_published_buckets(text: str, bucket: int) -> None:
    assert Distance.parse(text).bucket == bucket
    if text:
        assert bucket_text(bucket) == text


@pytest.mark.parametrize("power", range(21))
def test_buckets_change_exactly_at_powers_of_two(power: int) -> None:
    edge = float(2**power)
    assert Distance.from_metres(edge).bucket == power + 1
    assert Distance.from_metres(math.nextafter(edge, 0)).bucket == power
    assert Distance.from_metres(math.nextafter(edge, math.inf)).bucket == power + 1


@pytest.mark.parametrize("metres", [None, math.nan, math.inf, 2.0**21, 1e300])
def test_what_is_no_number_or_too_far_is_unknown(metres: float | None) -> None:
    assert Distance.from_metres(metres) == Distance.unknown()
    assert Distance.from_metres(metres).bucket == UNKNOWN_BUCKET


def test_just_below_the_limit_is_still_a_distance() -> None:
    distance = Distance.from_metres(math.nextafter(2.0**21, 0))
    assert (distance.bucket, distance.basis) == (21, DistanceBasis.METRES)


@pytest.mark.parametrize("metres", [-1, -0.001, -math.inf])
def test_negative_distances_are_refused(metres: float) -> None:
    with pytest.raises(DistanceError, match="is not a distance: give metres") as caught:
        Distance.from_metres(metres)
    assert caught.value.value == metres
    with pytest.raises(DistanceError) as caught:
        buckets_of(np.array([1.0, 0.0, 0.5, metres, -7.0]))
    assert caught.value.value == metres


@pytest.mark.parametrize("text", ["banana", "-5", "1_000", "12 m", "0x10", "1e3", "٣", "9" * 400])
def test_texts_that_are_no_distance_are_refused_with_the_text(text: str) -> None:
    with pytest.raises(DistanceError) as caught:
        Distance.parse(text)
    assert caught.value.value == text


@pytest.mark.parametrize(("text", "metres"), [(" 16 ", 16.0), ("0.4", 0.0), ("300.7", 300.7)])
def test_spaces_and_decimals_are_read(text: str, metres: float) -> None:
    assert Distance.parse(text).bucket == Distance.from_metres(metres).bucket


def test_unknown_is_read_in_any_case() -> None:
    assert Distance.parse("UNKNOWN") == Distance.parse("unknown") == Distance.unknown()


def test_many_at_once_equals_one_by_one() -> None:
    rng = np.random.default_rng(5)
    metres = np.concatenate(
        [
            10 ** rng.uniform(-2, 7, 2000),
            2.0 ** np.arange(0, 23),
            np.nextafter(2.0 ** np.arange(0, 23), 0),
            [0.0, np.nan, np.inf],
        ]
    )
    expected = [Distance.from_metres(float(value)).bucket for value in metres]
    assert buckets_of(metres).tolist() == expected
    assert buckets_of(metres).dtype == np.int64
    assert set(expected) == set(range(BUCKET_COUNT))


@pytest.mark.parametrize("bucket", [-1, 23])
def test_there_are_no_other_buckets(bucket: int) -> None:
    with pytest.raises(DistanceError) as caught:
        bucket_text(bucket)
    assert caught.value.value == bucket


@pytest.mark.parametrize("value", [True, "16", [1], object()])
def test_a_distance_is_a_number_or_none(value: object) -> None:
    with pytest.raises(DistanceError) as caught:
        Distance.of(value)  # type: ignore[arg-type]
    assert caught.value.value is value


def test_numbers_of_numpy_are_numbers() -> None:
    assert Distance.of(np.float32(16)) == Distance.of(np.int64(16)) == Distance.from_metres(16)


@pytest.mark.parametrize(
    ("metres", "basis"),
    [
        (None, DistanceBasis.METRES),
        (5.0, DistanceBasis.UNKNOWN),
        (math.nan, DistanceBasis.METRES),
        (-1.0, DistanceBasis.POSITIONS),
    ],
)
def test_a_distance_cannot_contradict_itself(metres: float | None, basis: DistanceBasis) -> None:
    with pytest.raises(DistanceError) as caught:
        Distance(metres, basis)
    assert caught.value.value is metres


def test_distances_say_what_they_rest_on_and_where_they_come_from() -> None:
    given = {"metres": 300.0, "bucket": 9, "basis": "metres", "source": "given"}
    assert Distance.from_metres(300).as_dict() == given
    unknown = {"metres": None, "bucket": 22, "basis": "unknown", "source": "unknown"}
    assert Distance.unknown().as_dict() == unknown


def position(easting: int, northing: int, figures: int = 10) -> GridPosition:
    return GridPosition(Grid.OSGB36, easting, northing, figures)


def test_positions_give_the_euclidean_distance_and_the_squares() -> None:
    near = Distance.between(position(400_100, 300_100), position(400_400, 300_500))
    assert (near.metres, near.basis, near.crosses_grid) == (500.0, DistanceBasis.POSITIONS, False)
    across = Distance.between(position(400_999, 300_100), position(401_000, 300_100))
    assert (across.metres, across.crosses_grid) == (1.0, True)
    north = Distance.between(position(400_100, 300_999), position(400_100, 301_000))
    assert north.crosses_grid is True


def test_a_whole_square_gives_no_metres_but_tells_whether_the_grid_is_crossed() -> None:
    coarse = Distance.between(position(400_000, 300_000, 4), position(402_500, 300_500))
    assert (coarse.metres, coarse.bucket) == (None, UNKNOWN_BUCKET)
    assert (coarse.basis, coarse.crosses_grid) == (DistanceBasis.TOO_COARSE, True)
    six_figures = Distance.between(position(400_100, 300_100, 6), position(400_400, 300_500, 6))
    assert six_figures.metres == 500.0


def test_a_missing_position_makes_the_distance_unknown() -> None:
    here = position(400_100, 300_100)
    assert Distance.between(None, here) == Distance.between(here, None) == Distance.unknown()
    assert GridPosition.if_known(Grid.OSGB36, 0, 300_000) is None
    assert GridPosition.if_known(Grid.OSGB36, 400_000, None) is None
    assert GridPosition.if_known(Grid.OSGB36, 400_100, 300_100) == here


def test_grids_are_never_mixed() -> None:
    irish = GridPosition(Grid.IRISH, 315_900, 234_000)
    with pytest.raises(GridError, match="osgb grid, subject on the irish"):
        Distance.between(position(400_100, 300_100), irish)


@pytest.mark.parametrize(
    ("grid", "easting", "northing"),
    [
        (Grid.OSGB36, 700_000, 300_000),
        (Grid.OSGB36, 400_000, 1_300_000),
        (Grid.IRISH, 500_000, 200_000),
        (Grid.IRISH, 200_000, 500_000),
        (Grid.OSGB36, -5, 300_000),
        (Grid.OSGB36, 400_000, 0),
    ],
)
def test_positions_lie_on_their_grid(grid: Grid, easting: int, northing: int) -> None:
    with pytest.raises(GridError, match=f"is not on the {grid.value} grid"):
        GridPosition(grid, easting, northing)


@pytest.mark.parametrize(("figures", "metres"), [(4, 1000), (6, 100), (8, 10), (10, 1)])
def test_figures_give_the_precision(figures: int, metres: int) -> None:
    assert position(400_100, 300_100, figures).precision_metres == metres


@pytest.mark.parametrize("figures", [0, 2, 5, 12])
def test_other_numbers_of_figures_are_refused(figures: int) -> None:
    with pytest.raises(GridError, match="4, 6, 8 or 10 figures"):
        position(400_100, 300_100, figures)
