"""Workers that are killed, and a server that drops, fails, dawdles and repeats itself.

GEOGRAPH_TYPES_WORKER_ROWS and GEOGRAPH_TYPES_WORKER_KILLS give the long version.
"""

import os
import random
import re
import signal
import subprocess
import time
from collections import Counter
from threading import Event
from typing import Any

import pytest
from fake_geograph import FakeGeograph, Faults
from worker_rows import NAMED, fill, make_row

ROWS = int(os.environ.get("GEOGRAPH_TYPES_WORKER_ROWS", "300"))
KILLS = int(os.environ.get("GEOGRAPH_TYPES_WORKER_KILLS", "2"))
LIMIT = 25 if ROWS > 1000 else 10
QUIET = 15
"""Rounds without faults, by which the ordinary rate is measured."""

FAULTS = Faults(
    dropped_before=0.1,
    dropped_after=0.1,
    errors=0.2,
    slow=0.05,
    malformed=0.05,
    repeated=0.3,
)
OUTAGE_SECONDS = 2.0


def stopped(worker: "subprocess.Popen[bytes]") -> None:
    worker.send_signal(signal.SIGKILL)
    worker.wait()


def kill(api: FakeGeograph, worker: "subprocess.Popen[bytes]", number: int, at: int) -> None:
    """Kill a worker once so many rows are answered: any time, or in the worst moment.

    That is when the server has taken a list, and the worker does not know it yet.
    """
    if number % 2:
        dead = Event()
        api.wait(lambda: len(api.answered()) >= at, 300)

        def act() -> None:
            stopped(worker)
            dead.set()

        api.at_commit = act
        assert dead.wait(60)
    else:
        api.wait(lambda: len(api.answered()) >= at, 300)
        time.sleep(random.Random(number).uniform(0, 0.1))
        stopped(worker)


def outage(api: FakeGeograph, away: str) -> list[float]:
    """Be away for a while; gives when the server was asked meanwhile."""
    began = time.monotonic()
    api.away = away
    api.wait(lambda: time.monotonic() - began > OUTAGE_SECONDS)
    with api.lock:
        during = [one.at - began for one in api.asked if one.at > began]
    api.away = ""
    return during


def test_every_row_is_answered_once_whatever_happens(api: FakeGeograph, program: Any) -> None:
    bad = dict(zip(range(1, ROWS + 1, ROWS // len(NAMED)), NAMED.items(), strict=False))
    for number in range(1, ROWS + 1):
        api.rows[number] = bad[number][1][1](number) if number in bad else make_row(number)
    options = ("--embeddings", "--limit", LIMIT)

    worker = program.start(*options)
    api.wait(lambda: len(api.answered()) >= QUIET * LIMIT)
    quiet = [one.at for one in api.asked][4:]
    rate = (len(quiet) - 1) / (quiet[-1] - quiet[0])

    api.faults = FAULTS
    away: list[list[float]] = []
    for number in range(KILLS):
        answered = len(api.answered())
        target = answered + (ROWS - answered) // (KILLS - number + 1)
        kill(api, worker, number, target)
        worker = program.start(*options)
        if number % 5 == 1:
            lists = len(api.commits)
            api.wait(lambda lists=lists: len(api.commits) > lists + 1, 300)
            away.append(outage(api, "503" if number % 2 else "dropped"))
    api.wait(lambda: len(api.answered()) == ROWS, 300)
    worker.terminate()
    assert worker.wait() == 130

    said = program.said()
    sets = api.effective()
    told = Counter(re.findall(r"^error: photo (\d+): (\w+): ", said, re.MULTILINE))
    outcomes = Counter(one.outcome for one in api.asked)
    print(
        f"\n{ROWS} rows, {KILLS} kills: {len(sets)} answered, {len(api.rows) - len(sets)} not; "
        f"{sum(sets.values()) - len(sets)} sets of labels under a second key"
    )
    print(
        f"{len(api.commits)} lists taken, {api.repeated_lists()} of them a second time under "
        f"their key: {api.lost_answers} answers were lost, {KILLS} workers killed"
    )
    print(f"requests by outcome: {dict(outcomes)}")
    print(f"{len(bad)} bad rows, {len({number for number, _ in told})} told with their reason")
    times = [[round(at, 2) for at in some] for some in away]
    print(f"ordinary rate {rate:.1f} requests a second; in outages at {times} s")
    print("the last worker: " + [line for line in said.splitlines() if line][-2])

    assert set(sets) == set(api.rows)
    assert set(sets.values()) == {1}
    assert api.repeated_lists() <= api.lost_answers + KILLS
    for number, (_, (fault, _)) in bad.items():
        assert api.labels()[number] == [("Failed", -1)]
        assert told[str(number), fault] >= 1
    assert len({number for number, _ in told}) == len(bad)
    for during in away:
        assert all(index <= 1.2 * rate * at for index, at in enumerate(during)), during


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_worker_with_a_summary(
    api: FakeGeograph, program: Any, number: int
) -> None:
    fill(api, 3)
    worker = program.start("--embeddings", "--pause", "300")
    api.wait(lambda: len(api.answered()) == 3)
    worker.send_signal(number)
    assert worker.wait(20) == 130
    lines = [line for line in program.said().splitlines() if line]
    assert lines[-2] == "1 rounds, 3 rows: 3 labelled, 3 accepted; 2 requests"
    assert lines[-1] == "error: interrupted"


def test_a_signal_in_the_middle_of_a_delivery_waits_for_its_end(
    api: FakeGeograph, program: Any
) -> None:
    fill(api, 3)
    worker: list[subprocess.Popen[bytes]] = []

    def act() -> None:
        worker[0].terminate()
        time.sleep(0.3)

    api.at_commit = act
    worker.append(program.start("--embeddings", "--pause", "300"))
    assert worker[0].wait(20) == 130
    assert "3 accepted; 2 requests" in program.said()
    assert len(api.commits) == 1
    assert "wait in" not in program.said()


def test_a_worker_is_alone_with_its_state_file(api: FakeGeograph, program: Any) -> None:
    api.rows[1] = make_row(1)
    first = program.start("--embeddings", "--pause", "300")
    api.wait(lambda: len(api.answered()) == 1)
    assert program.start("--once").wait(20) == 2
    assert "it is in use by another run: wait until that ends" in program.said()
    first.terminate()
    assert first.wait(20) == 130
