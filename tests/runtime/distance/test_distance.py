import math
from collections.abc import Callable
from typing import Any

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


@pytest.mark.parametrize("metres", [None, math.nan, math.inf, 2.0**21, 1e300, np.float64("nan")])
def test_what_is_no_number_or_too_far_is_unknown(metres: float | None) -> None:
    assert Distance.from_metres(metres) == Distance.unknown()
    assert Distance.from_metres(metres).bucket == UNKNOWN_BUCKET


def first_of_many(metres: float) -> object:
    return buckets_of(np.array([1.0, 0.0, 0.5, metres, -7.0]))


TEXTS = ("banana", "-5", "1_000", "12 m", "0x10", "1e3", "٣", "9" * 400)
REFUSED = [
    *((read, metres) for read in (Distance.from_metres, first_of_many) for metres in (-1, -0.001)),
    *((Distance.parse, text) for text in TEXTS),
    *((Distance.of, value) for value in (-math.inf, True, "16", [1], object())),
    *((bucket_text, bucket) for bucket in (-1, 23)),
]


@pytest.mark.parametrize(("read", "value"), REFUSED)
def test_what_is_no_distance_is_refused_with_the_value(
    read: Callable[[Any], object], value: object
) -> None:
    with pytest.raises(DistanceError) as caught:
        read(value)
    assert caught.value.value == value


@pytest.mark.parametrize(
    ("text", "metres"),
    [(" 16 ", 16), ("0.4", 0), ("300.7", 300.7), ("UNKNOWN", None), ("unknown", None)],
)
def test_spaces_decimals_and_any_case_are_read(text: str, metres: float | None) -> None:
    assert Distance.parse(text).bucket == Distance.from_metres(metres).bucket


def test_many_at_once_equals_one_by_one() -> None:
    rng = np.random.default_rng(5)
    edges = 2.0 ** np.arange(0, 23)
    random = 10 ** rng.uniform(-2, 7, 2000)
    metres = np.concatenate([random, edges, np.nextafter(edges, 0), [0.0, np.nan, np.inf]])
    expected = [Distance.from_metres(float(value)).bucket for value in metres]
    assert buckets_of(metres).tolist() == expected
    assert buckets_of(metres).dtype == np.int64
    assert set(expected) == set(range(BUCKET_COUNT))


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


@pytest.mark.parametrize(
    ("camera", "subject", "metres", "crossed"),
    [
        ((400_100, 300_100), (400_400, 300_500), 500, False),
        ((400_999, 300_100), (401_000, 300_100), 1, True),
        ((400_100, 300_999), (400_100, 301_000), 1, True),
        ((400_100, 300_100, 6), (400_400, 300_500, 6), 500, False),
        ((400_000, 300_000, 4), (402_500, 300_500), None, True),
    ],
)
def test_positions_have_a_distance_and_their_squares(
    camera: tuple[int, ...], subject: tuple[int, ...], metres: float | None, crossed: bool
) -> None:
    between = Distance.between(position(*camera), position(*subject))
    assert (between.metres, between.crosses_grid) == (metres, crossed)
    basis = DistanceBasis.TOO_COARSE if metres is None else DistanceBasis.POSITIONS
    assert between.basis is basis


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


@pytest.mark.parametrize("figures", [0, 2, 5, 12])
def test_other_numbers_of_figures_are_refused(figures: int) -> None:
    with pytest.raises(GridError, match="4, 6, 8 or 10 figures"):
        position(400_100, 300_100, figures)


def test_an_accuracy_is_not_below_zero() -> None:
    with pytest.raises(GridError, match="an accuracy is 0 m or more"):
        GridPosition(Grid.OSGB36, 400_000, 300_000, accuracy_metres=-1)
