"""Whether another request is accepted, by the work that is waiting already.

Work is counted in units: one for a photo, and one more for each quarter of a mebibyte, since large
files take longer to decode. How long a unit takes is learned from finished requests.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from time import monotonic

from geograph_types.serve.problems import ProblemError, Reason
from geograph_types.serve.settings import Limits

BYTES_PER_UNIT = 1 << 18
MEMORY = 0.98  # of what was learned is left after one more request: some fifty of them count
FIRST_GUESS = 0.02  # seconds per unit, before anything is learned; weighs as much as ten requests


def work_units(size: int) -> float:
    """Estimate the work of a body of so many bytes."""
    return 1.0 + size / BYTES_PER_UNIT


def overloaded(seconds: float) -> ProblemError:
    retry = str(max(1, math.ceil(seconds)))
    detail = f"too many requests are waiting: try again in {retry} s"
    return ProblemError(503, Reason.OVERLOADED, detail, {"Retry-After": retry})


class Admission:
    """Counts the work; only for use in the event loop's thread."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = monotonic) -> None:
        self.waiting = 0  # requests that are accepted and not finished
        self.units = 0.0  # of their work
        self._limits = limits
        self._clock = clock
        self._busy_since = 0.0
        self._learned_seconds = 10 * FIRST_GUESS
        self._learned_units = 10.0
        self._placed: list[int] = []  # declared sizes of those that are accepted, or still come
        self._line = asyncio.Lock()  # the first in it waits for a place
        self._left = asyncio.Event()

    @property
    def seconds_per_unit(self) -> float:
        """How long a unit of work takes, while there is work."""
        return self._learned_seconds / self._learned_units

    @property
    def expected_seconds(self) -> float:
        """How long the accepted work will take."""
        return self.units * self.seconds_per_unit

    @asynccontextmanager
    async def place(self, size: int) -> AsyncIterator[float]:
        """Wait for a place, if that is allowed, and check a request before its body is read.

        Yields the time until which it may wait. Those with a place whose bodies still come count
        for others that may wait, but none is refused because of them: they may be slow.
        """
        wait_until = self._clock() + self._limits.queue_seconds
        if self._limits.queue_seconds:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._limits.queue_seconds), self._line:
                    while not self._has_place(size):
                        self._left.clear()
                        await self._left.wait()
        self.check(size)
        self._placed.append(size)
        try:
            yield wait_until
        finally:
            self._placed.remove(size)
            self._left.set()

    def check(self, size: int) -> None:
        """Refuse a request of so many bytes with 503 if it would wait too long."""
        if not self._fits(size, self.waiting, self.units):
            raise overloaded(self.expected_seconds)

    @contextmanager
    def accepted(self, size: int) -> Iterator[None]:
        """Check a request, and count it while it is worked on."""
        self.check(size)
        units = work_units(size)
        if not self.waiting:
            self._busy_since = self._clock()
        self.waiting += 1
        self.units += units
        try:
            yield
            now = self._clock()
            self._learned_seconds = self._learned_seconds * MEMORY + now - self._busy_since
            self._learned_units = self._learned_units * MEMORY + units
            self._busy_since = now
        finally:
            self.waiting -= 1
            self.units = self.units - units if self.waiting else 0.0

    def _has_place(self, size: int) -> bool:
        if self._placed and sum(self._placed) + size > self._limits.buffered_bytes:
            return False
        return self._fits(size, len(self._placed), sum(map(work_units, self._placed)))

    def _fits(self, size: int, requests: int, units: float) -> bool:
        """Return whether one more is begun in time.

        Small ones are until a batch is full: single photos take longer each, and without batches it
        would never be learned how fast they are. One alone is however large.
        """
        units += work_units(size)
        is_small = units <= self._limits.batch * work_units(BYTES_PER_UNIT)
        in_time = units * self.seconds_per_unit <= self._limits.work_seconds
        return not requests or is_small or in_time
