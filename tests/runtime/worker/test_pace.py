"""How long the worker waits."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from typing import Any

import pytest
from fake_geograph import FakeGeograph
from worker_rows import fill, make_row

from geograph_types.worker.pace import LONGEST_SLEEP, LONGEST_WAIT, Pace
from geograph_types.worker.protocol import read_answer
from geograph_types.worker.transport import seconds_of

Run = Callable[..., tuple[int, str, str]]


def gaps(api: FakeGeograph) -> list[float]:
    times = [one.at for one in api.asked]
    return [after - before for before, after in pairwise(times)]


def test_the_server_is_obeyed_when_it_asks_for_sleep(api: FakeGeograph, work: Run) -> None:
    fill(api, 3)
    api.extra = {"sleep": "0.4"}
    assert work("--loops", 3, "--limit", 1, "--embeddings")[0] == 0
    assert [gap >= 0.4 for gap in gaps(api)] == [False, True, False, True, False]


def test_sleep_is_a_number_or_none() -> None:
    for given, seconds in (("2", 2.0), ('"2"', 2.0), ("1.5", 1.5)):
        assert read_answer(f'{{"rows": [], "sleep": {given}}}'.encode()).sleep == seconds
    for given in ("-1", "null", '"soon"', "[5]", "true", '"inf"', '"nan"'):
        assert read_answer(f'{{"rows": [], "sleep": {given}}}'.encode()).sleep is None


def test_waits_are_bounded() -> None:
    pace = Pace(2.0)
    assert pace.rest_after(0.0, idle=False) == 2.0
    assert pace.rest_after(30.0, idle=False) == 30.0
    assert pace.rest_after(1e9, idle=False) == LONGEST_SLEEP
    idle = [pace.rest_after(0.0, idle=True) for _ in range(200)]
    assert idle[:4] == [4.0, 8.0, 16.0, 32.0]
    assert idle[-1] == LONGEST_WAIT
    assert pace.rest_after(0.0, idle=False) == 2.0


@pytest.mark.parametrize("count", [1, 4])
def test_retry_after_is_obeyed(api: FakeGeograph, work: Run, count: int) -> None:
    api.rows[1] = make_row(1)
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    kinds = ["1", soon, "0", "next week"]
    api.answers = [(429, {"Retry-After": kind}, b"") for kind in kinds[:count]]
    status, _, err = work("--once", "--embeddings")
    assert status == 0
    assert gaps(api)[0] >= 1.0
    assert "the server is not well (status 429): next try in 1." in err


def test_dates_and_seconds_of_retry_after() -> None:
    assert seconds_of("120") == 120.0
    assert seconds_of("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert 3590 < (seconds_of(format_datetime(datetime.now(UTC) + timedelta(hours=1)))) <= 3601
    assert seconds_of("") == seconds_of("soon") == seconds_of("-5") == 0.0
    assert seconds_of("9" * 5000) == 999_999_999.0


@pytest.mark.parametrize("away", ["dropped", "503"])
def test_an_outage_is_asked_about_no_more_often_than_ordinary_work(
    api: FakeGeograph, program: Any, away: str
) -> None:
    """Counted from the beginning of the outage to each request in it."""
    fill(api, 120)
    worker = program.start("--embeddings", "--limit", 5)
    api.wait(lambda: len(api.answered()) >= 60)
    rate, during = api.rate(), api.outage(away, 1.5)
    api.wait(lambda: len(api.answered()) == 120)
    worker.terminate()
    assert worker.wait() == 130
    print(f"{rate:.1f} requests a second; in the outage at {[round(at, 2) for at in during]}")
    # The first one is that of ordinary work, which met the outage.
    assert all(index <= 1.2 * rate * at for index, at in enumerate(during))
    assert 2 <= len(during) < 10


def test_a_run_that_follows_at_once_keeps_the_pause(api: FakeGeograph, work: Run) -> None:
    fill(api, 2)
    assert work("--once", "--limit", 1, "--embeddings")[0] == 0
    assert work("--once", "--limit", 1, "--embeddings", "--pause", "1")[0] == 0
    assert gaps(api)[1] >= 0.95
