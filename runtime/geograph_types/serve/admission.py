"""Whether another request is accepted, by the work that is waiting already.

Work is counted in units: one for a photo, and one more for each quarter of a mebibyte, since large
files take longer to decode. How long a unit takes is learned from finished requests.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from geograph_types.serve.problems import ProblemError, Reason

BYTES_PER_UNIT = 1 << 18

MEMORY = 0.98
"""Share of what was learned that is left after one more request: some fifty of them count."""

FIRST_GUESS = 0.02
"""Seconds per unit, before anything is learned; weighs as much as ten requests."""


def work_units(size: int) -> float:
    """Estimate the work of a body of so many bytes."""
    return 1.0 + size / BYTES_PER_UNIT


def overloaded(seconds: float) -> ProblemError:
    retry = str(max(1, math.ceil(seconds)))
    detail = f"too many requests are waiting: try again in {retry} s"
    return ProblemError(503, Reason.OVERLOADED, detail, {"Retry-After": retry})


class Admission:
    """Count the accepted work; only for use in the event loop's thread."""

    def __init__(
        self, queue_seconds: float, batch: int, clock: Callable[[], float] = monotonic
    ) -> None:
        """Allow so many seconds of work to wait, and one batch however long it takes."""
        self.waiting = 0  # requests that are accepted and not finished
        self.units = 0.0  # of their work
        self._queue_seconds = queue_seconds
        self._batch = batch
        self._clock = clock
        self._busy_since = 0.0
        self._learned_seconds = 10 * FIRST_GUESS
        self._learned_units = 10.0

    @property
    def seconds_per_unit(self) -> float:
        """How long a unit of work takes, while there is work."""
        return self._learned_seconds / self._learned_units

    @property
    def expected_seconds(self) -> float:
        """How long the accepted work will take."""
        return self.units * self.seconds_per_unit

    def check(self, size: int) -> None:
        """Refuse a request of so many bytes with 503 if it would wait too long.

        Small ones are taken until a batch is full: single photos take longer each, and without
        batches it would never be learned how fast they are. One alone is taken however large.
        """
        units = self.units + work_units(size)
        is_small = units <= self._batch * work_units(BYTES_PER_UNIT)
        if self.waiting and not is_small and units * self.seconds_per_unit > self._queue_seconds:
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
        done = False
        try:
            yield
            done = True
        finally:
            self.waiting -= 1
            self.units -= units
            if not self.waiting:
                self.units = 0.0
            if done:
                self._learn(units)

    def _learn(self, units: float) -> None:
        now = self._clock()
        self._learned_seconds = self._learned_seconds * MEMORY + now - self._busy_since
        self._learned_units = self._learned_units * MEMORY + units
        self._busy_since = now
