"""When a request is made again: the only module that imports stamina."""

import random
from collections.abc import Callable
from typing import Final, TypeVar

from geograph_types.errors import MissingExtraError
from geograph_types.worker.faults import ServerUnavailableError
from geograph_types.worker.pace import LONGEST_SLEEP, LONGEST_WAIT

try:
    import stamina
    import stamina.instrumentation
except ModuleNotFoundError:
    raise MissingExtraError("stamina", "worker") from None

__all__ = ["repeat", "tell_of_retries"]

T = TypeVar("T")

DOUBLINGS: Final = 30


def repeat(request: Callable[[], T], first_wait: float, most: int | None) -> T:
    """Make a request, again while it raises `ServerUnavailableError`.

    Waits double from the first to five minutes, each with up to the first one more at random, and
    are never shorter than the server's Retry-After.

    Args:
        request: to make.
        first_wait: seconds.
        most: how often it is made; `None` for without end.

    Raises:
        ServerUnavailableError: the last one.
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
    """Have each wait told, in this process, in place of stamina's log.

    Args:
        tell: takes a line.
    """

    def hook(details: stamina.instrumentation.RetryDetails) -> None:
        problem = getattr(details.caused_by, "problem", details.caused_by)
        tell(f"the server is not well ({problem}): again in {details.wait_for:.1f} s")

    stamina.instrumentation.set_on_retry_hooks([hook])
