"""Rows that cannot be labelled: each has its reason, and none is scored as something else."""

from collections.abc import Callable

import numpy as np
from fake_geograph import FakeGeograph
from worker_rows import NAMED, NAMELESS, fill, make_row


def test_every_kind_of_bad_row_is_failed_with_its_reason(
    api: FakeGeograph, work: Callable[..., tuple[int, str, str]]
) -> None:
    assert len(NAMED) + len(NAMELESS) >= 21
    fill(api, 10)
    for number, (_, row) in enumerate(NAMED.values(), start=101):
        api.rows[number] = row(number)
    for number, (_, data) in enumerate(NAMELESS.values(), start=201):
        api.rows[number] = data
    status, _, err = work("--once", "--embeddings")
    assert status == 1
    for number, (kind, (fault, _)) in enumerate(NAMED.items(), start=101):
        assert api.labels()[number] == [("Failed", -1)], kind
        assert f"error: photo {number}: {fault}: " in err, kind
    for place, (kind, (fault, _)) in enumerate(NAMELESS.items(), start=11 + len(NAMED)):
        assert f"error: row {place}: {fault}: " in err, kind
    assert api.answered() == {*range(1, 11), *range(101, 101 + len(NAMED))}
    assert all(label != "Failed" for n in range(1, 11) for label, _ in api.labels()[n])
    assert f"10 labelled, {len(NAMED) + len(NAMELESS)} failed (" in err
    assert max(map(len, err.splitlines())) < 600
    assert np.isfinite([score for some in api.labels().values() for _, score in some]).all()


def test_a_photo_that_is_given_twice_counts_as_it_came_first(
    api: FakeGeograph, work: Callable[..., tuple[int, str, str]]
) -> None:
    api.rows = {1: make_row(7), 2: make_row(7, distance="far"), 3: make_row(7)}
    status, _, err = work("--once", "--embeddings")
    assert status == 0
    assert "3 rows: 1 labelled, 2 given again, 1 accepted" in err
    assert [label for label, _ in api.labels()[7]] != ["Failed"]
