"""How fast the server is asked: no faster than it likes, and never faster when it is not well."""

import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from geograph_types.errors import MissingExtraError
from geograph_types.worker.faults import ServerUnavailableError

try:
    import stamina
    import stamina.instrumentation
except ModuleNotFoundError:
    raise MissingExtraError("stamina", "worker") from None


T = TypeVar("T")

DOUBLINGS: Final = 30


def repeat(request: Callable[[], T], first_wait: float, most: int | None) -> T:
    """Make a request, again while it raises `ServerUnavailableError`.

    Waits double from the first to five minutes, each with up to the first one more at random, and
    are never shorter than the server's Retry-After.
    """
    longest = max(LONGEST_WAIT, first_wait)
    caller = stamina.RetryingCaller(
        attempts=most,
        timeout=None,
        wait_initial=first_wait,
        wait_max=longest,
        wait_jitter=first_wait,
    )
    return caller(_hook(first_wait, longest), request)


def _hook(first_wait: float, longest: float) -> Callable[[Exception], bool | float]:
    failures = 0

    def decide(error: Exception) -> bool | float:
        nonlocal failures
        if not isinstance(error, ServerUnavailableError):
            return False
        failures += 1
        if error.retry_after is None:
            return True
        doubled: float = min(first_wait * 2.0 ** min(failures - 1, DOUBLINGS), longest)
        jitter = random.uniform(0, first_wait)
        return max(min(error.retry_after, LONGEST_SLEEP), doubled) + jitter

    return decide


def tell_of_retries(tell: Callable[[str], None]) -> None:
    """Have each wait told, in this process, in place of stamina's log."""

    def hook(details: stamina.instrumentation.RetryDetails) -> None:
        problem = getattr(details.caused_by, "problem", details.caused_by)
        tell(f"the server is not well ({problem}): again in {details.wait_for:.1f} s")

    stamina.instrumentation.set_on_retry_hooks([hook])


LONGEST_WAIT: Final = 300.0
"""Seconds to which waits double while the server is away, or has no rows."""

LONGEST_SLEEP: Final = 3600.0
"""Seconds of `sleep` and of Retry-After that are obeyed."""

ROUNDS: Final = 10
"""Undisturbed rounds over which the ordinary rate is measured."""


class Pace:
    """Counts requests and says how long to wait."""

    def __init__(self, pause: float) -> None:
        """Measure nothing yet."""
        self.pause = pause
        self.requests = 0
        self._rounds: deque[tuple[float, int]] = deque(maxlen=ROUNDS)
        self._idle = 0
        self._disturbed = False

    def asking(self) -> None:
        """Count a request."""
        self.requests += 1

    def disturb(self) -> None:
        """Leave the present round out of the ordinary rate: a request of it has failed."""
        self._disturbed = True

    @property
    def first_wait(self) -> float:
        """Seconds to wait after a first failure.

        That is the time between requests in undisturbed rounds, so that repeated requests,
        even before the waits have grown, come no more often than ordinary ones.
        """
        seconds = sum(seconds for seconds, _ in self._rounds)
        requests = sum(requests for _, requests in self._rounds)
        return max(self.pause, seconds / requests if requests else 0.0)

    def rest_after(self, sleep: float | None, idle: bool) -> float:
        """Return the seconds to wait between two rounds."""
        self._idle = self._idle + 1 if idle else 0
        pause = min(max(self.pause, sleep or 0.0), LONGEST_SLEEP)
        doubled = self.first_wait * 2 ** min(self._idle, 30) if idle else 0.0
        return max(pause, min(doubled, LONGEST_WAIT))

    @contextmanager
    def round(self) -> Iterator[None]:
        """Measure a round, with the rest after it."""
        self._disturbed = False
        began, before = time.monotonic(), self.requests
        yield
        if not self._disturbed and self.requests > before:
            self._rounds.append((time.monotonic() - began, self.requests - before))
