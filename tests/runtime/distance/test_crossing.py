import itertools

import pytest

from geograph_types import Distance, DistanceBasis, Grid, GridPosition
from geograph_types.distance.crossing import Crossing, crossing_of

LINES = {Grid.OSGB36: (529_000, 180_000), Grid.IRISH: (315_000, 234_000)}
BOTH = pytest.mark.parametrize("grid", list(Grid))


def across(
    grid: Grid, axis: int, offset: int, figures: int = 10, accuracy: int = 0
) -> GridPosition:
    """A position so many metres beyond a line; the other number is in the middle of a square."""
    numbers = [LINES[grid][0] + 500, LINES[grid][1] + 500]
    numbers[axis] = LINES[grid][axis] + offset
    return GridPosition(grid, numbers[0], numbers[1], figures, accuracy)


@BOTH
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("figures", [4, 6, 8, 10])
def test_references_are_taken_at_their_word(grid: Grid, axis: int, figures: int) -> None:
    subjects = [across(grid, axis, offset, figures) for offset in (-1, 0)]
    for offset in range(-1500, 1500):
        camera = across(grid, axis, offset)
        for subject in subjects:
            differs = camera.square != subject.square
            expected = Crossing.CROSSED if differs else Crossing.NOT_CROSSED
            assert crossing_of(camera, subject) is expected
            assert crossing_of(subject, camera) is expected


@BOTH
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("accuracy", [1, 10, 400])
def test_a_receiver_near_a_line_is_too_close(grid: Grid, axis: int, accuracy: int) -> None:
    subject = across(grid, axis, 500)
    for offset in range(-1000, 1000):
        camera = across(grid, axis, offset, accuracy=accuracy)
        possible = {(offset + shift) // 1000 for shift in (-accuracy, accuracy)}
        if possible == {0}:
            expected = Crossing.NOT_CROSSED
        elif 0 in possible:
            expected = Crossing.TOO_CLOSE
        else:
            expected = Crossing.CROSSED
        assert crossing_of(camera, subject) is expected, offset
        assert crossing_of(subject, camera) is expected, offset


@BOTH
def test_the_answer_is_that_of_every_pair_of_points_in_the_two_boxes(grid: Grid) -> None:
    east, north = LINES[grid]
    spots = [(east + e, north + n) for e, n in itertools.product((-40, -8, 0, 7, 60), repeat=2)]
    for (camera_spot, subject_spot), accuracy in itertools.product(
        itertools.product(spots, repeat=2), (0, 10, 50)
    ):
        camera = GridPosition(grid, *camera_spot, accuracy_metres=accuracy)
        subject = GridPosition(grid, *subject_spot, accuracy_metres=8)
        answers = {
            (here[0] // 1000, here[1] // 1000) != (there[0] // 1000, there[1] // 1000)
            for here in corners(camera_spot, accuracy)
            for there in corners(subject_spot, 8)
        }
        expected = answers.pop() if len(answers) == 1 else None
        assert Distance.between(camera, subject).crosses_grid is expected


def corners(spot: tuple[int, int], accuracy: int) -> list[tuple[int, int]]:
    shifts = (-accuracy, accuracy)
    return [(spot[0] + east, spot[1] + north) for east in shifts for north in shifts]


@BOTH
def test_what_is_known_to_worse_than_a_square_is_too_coarse(grid: Grid) -> None:
    camera = across(grid, 0, 400, accuracy=560)
    distance = Distance.between(camera, across(grid, 0, 500))
    assert (distance.metres, distance.basis) == (None, DistanceBasis.TOO_COARSE)
    assert (distance.crossing, distance.crosses_grid) == (Crossing.TOO_COARSE, None)
    assert crossing_of(camera, across(grid, 0, 5000)) is Crossing.CROSSED
