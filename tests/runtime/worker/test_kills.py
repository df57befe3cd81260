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
QUIET = 15  # rounds without faults, by which the ordinary rate is measured

FAULTS = Faults(0.1, 0.1, errors=0.2, slow=0.05, malformed=0.05, repeated=0.3)
OUTAGE_SECONDS = 2.0


def kill(api: FakeGeograph, worker: "subprocess.Popen[bytes]", number: int, at: int) -> None:
    """Kill a worker once so many rows are answered: any time, or in the worst moment.

    That is when the server has taken a list, and the worker does not know it yet.
    """

    def act() -> None:
        worker.kill()
        worker.wait()
        dead.set()

    dead = Event()
    api.wait(lambda: len(api.answered()) >= at, 300)
    if number % 2:
        api.at_commit = act
    else:
        time.sleep(random.Random(number).uniform(0, 0.1))
        act()
    assert dead.wait(60)


def test_every_row_is_answered_once_whatever_happens(api: FakeGeograph, program: Any) -> None:
    bad = dict(zip(range(1, ROWS + 1, ROWS // len(NAMED)), NAMED.items(), strict=False))
    for number in range(1, ROWS + 1):
        api.rows[number] = bad[number][1][1](number) if number in bad else make_row(number)
    options = ("--embeddings", "--limit", LIMIT)

    worker = program.start(*options)
    api.wait(lambda: len(api.answered()) >= QUIET * LIMIT)
    rate = api.rate()

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
            away.append(api.outage("503" if number % 2 else "dropped", OUTAGE_SECONDS))
    api.wait(lambda: len(api.answered()) == ROWS, 300)
    worker.terminate()
    assert worker.wait() == 130

    said = program.said()
    sets = api.effective()
    told = Counter(re.findall(r"^error: photo (\d+): (\w+): ", said, re.MULTILINE))
    times = [[round(at, 2) for at in some] for some in away]
    print(f"\n{ROWS} rows, {KILLS} kills: {len(sets)} answered, {len(bad)} bad; by one list each:")
    print(
        f"{Counter(sets.values())}; {api.repeated_lists()} of {len(api.commits)} lists taken twice"
    )
    print(f"{api.lost_answers} answers lost; {Counter(one.outcome for one in api.asked)}")
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

    def act() -> None:
        worker.terminate()
        time.sleep(0.3)

    api.at_commit = act
    worker = program.start("--embeddings", "--pause", "300")
    assert worker.wait(20) == 130
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
