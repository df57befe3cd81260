"""Run contenders in turn, round by round, so that whatever else the machine does falls on all."""

import random
import statistics
import time
from collections.abc import Callable, Mapping

from contenders.process import ContenderError, ContenderProcess

RUNS = 3
"""Runs in a turn; the turn counts as their median."""
PAUSE_SECONDS = 0.05
"""Between turns: threads of the last contender may spin for a moment after its last run."""


def alternate(
    processes: Mapping[str, ContenderProcess],
    batch: int,
    rounds: int,
    failed: Callable[[ContenderError], None],
) -> dict[str, list[float]]:
    """Give every contender one turn a round, in a new order each round.

    Args:
        processes: by contender's name.
        batch: photos in one run.
        rounds: at least 1.
        failed: is told of a contender that fails, which is then left out.

    Returns:
        Seconds a photo of every round, by contender; only those that took part in all rounds.
    """
    shuffled = random.Random(0)
    times: dict[str, list[float]] = {name: [] for name in processes}
    for _ in range(rounds):
        order = list(times)
        shuffled.shuffle(order)
        for name in order:
            try:
                seconds = processes[name].time(batch, RUNS)
            except ContenderError as error:
                failed(error)
                del times[name]
                continue
            times[name].append(statistics.median(seconds) / batch)
            time.sleep(PAUSE_SECONDS)
    return times
