"""How fast the server is asked: no faster than it likes, and never faster when it is not well."""

import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from geograph_types.worker.faults import ServerUnavailableError

T = TypeVar("T")

LONGEST_WAIT: Final = 300.0
"""Seconds to which waits double while the server is away, or has no rows."""

LONGEST_SLEEP: Final = 3600.0
"""Seconds of `sleep` and of Retry-After that are obeyed."""

DOUBLINGS: Final = 30

ROUNDS: Final = 10
"""Undisturbed rounds over which the ordinary rate is measured."""


def repeat(
    request: Callable[[], T], first_wait: float, most: int | None, tell: Callable[[str], None]
) -> T:
    """Make a request, `most` times at most, until it raises no `ServerUnavailableError`.

    Waits double from the first to five minutes, each with up to the first one more at random, and
    are never shorter than the server's Retry-After.
    """
    failures = 0
    while True:
        try:
            return request()
        except ServerUnavailableError as error:
            failures += 1
            if failures == most:
                raise
            longest = max(LONGEST_WAIT, first_wait)
            doubled = min(first_wait * 2.0 ** min(failures - 1, DOUBLINGS), longest)
            asked = min(error.retry_after or 0.0, LONGEST_SLEEP)
            wait = max(asked, doubled) + random.uniform(0, first_wait)
            tell(f"the server is not well ({error.problem}): next try in {wait:.1f} s")
        time.sleep(wait)


class Pace:
    """Counts requests and says how long to wait."""

    def __init__(self, pause: float) -> None:
        """Measure nothing yet; `pause` is in seconds."""
        self.pause = pause
        self.requests = 0
        self._rounds: deque[tuple[float, int]] = deque(maxlen=ROUNDS)
        self._idle = 0
        self._disturbed = False

    def disturb(self) -> None:
        """Leave the present round out of the ordinary rate: a request of it has failed."""
        self._disturbed = True

    @property
    def first_wait(self) -> float:
        """Seconds to wait after a first failure.

        That is the time between requests in undisturbed rounds, so that repeated requests, even
        before the waits have grown, come no more often than ordinary ones.
        """
        seconds = sum(seconds for seconds, _ in self._rounds)
        requests = sum(requests for _, requests in self._rounds)
        return max(self.pause, seconds / requests if requests else 0.0)

    def rest_after(self, sleep: float | None, idle: bool) -> float:
        """Return the seconds to wait between two rounds: they double with each idle one."""
        self._idle = self._idle + 1 if idle else 0
        pause = min(max(self.pause, sleep or 0.0), LONGEST_SLEEP)
        doubled = self.first_wait * 2 ** min(self._idle, DOUBLINGS) if idle else 0.0
        return max(pause, min(doubled, LONGEST_WAIT))

    @contextmanager
    def round(self) -> Iterator[None]:
        """Measure a round, with the rest after it."""
        self._disturbed = False
        began, before = time.monotonic(), self.requests
        yield
        if not self._disturbed and self.requests > before:
            self._rounds.append((time.monotonic() - began, self.requests - before))
