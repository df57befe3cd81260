"""How fast the server is asked: no faster than it likes, and never faster when it is not well."""

import random
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

LONGEST_WAIT: Final = 300.0  # seconds to which waits double: the server is away, or has no rows
LONGEST_SLEEP: Final = 3600.0  # seconds of `sleep` and of Retry-After that are obeyed
DOUBLINGS: Final = 30
ROUNDS: Final = 10  # undisturbed rounds over which the ordinary rate is measured


class Pace:
    """Counts requests and says how long to wait."""

    def __init__(self, pause: float) -> None:
        self.pause = pause  # seconds
        self.requests = 0
        self._rounds: deque[tuple[float, int]] = deque(maxlen=ROUNDS)
        self._idle = 0
        self.disturbed = False  # a request of this round has failed: it does not count for the rate

    @property
    def first_wait(self) -> float:
        """Seconds to wait after a first failure.

        That is the time between requests in undisturbed rounds, so that repeated requests, even
        before the waits have grown, come no more often than ordinary ones.
        """
        seconds = sum(seconds for seconds, _ in self._rounds)
        requests = sum(requests for _, requests in self._rounds)
        return max(self.pause, seconds / requests if requests else 0.0)

    def wait_after(self, failures: int, retry_after: float) -> float:
        """Return the seconds to wait after so many failures in a row: they double."""
        first = self.first_wait
        doubled = min(first * 2.0 ** min(failures - 1, DOUBLINGS), max(LONGEST_WAIT, first))
        return max(doubled, min(retry_after, LONGEST_SLEEP)) + random.uniform(0, first)

    def rest_after(self, sleep: float, idle: bool) -> float:
        """Return the seconds to wait between two rounds: they double with each idle one."""
        self._idle = self._idle + 1 if idle else 0
        pause = min(max(self.pause, sleep), LONGEST_SLEEP)
        doubled = self.first_wait * 2 ** min(self._idle, DOUBLINGS) if idle else 0.0
        return max(pause, min(doubled, LONGEST_WAIT))

    @contextmanager
    def round(self) -> Iterator[None]:
        """Measure a round, with the rest after it."""
        self.disturbed = False
        began, before = time.monotonic(), self.requests
        yield
        if not self.disturbed and self.requests > before:
            self._rounds.append((time.monotonic() - began, self.requests - before))
