"""Read the bodies of requests, no further than allowed and no slower."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import Request

from geograph_types.serve.admission import overloaded
from geograph_types.serve.metrics import Metrics
from geograph_types.serve.problems import ProblemError, Reason, too_slow
from geograph_types.serve.settings import LONGEST, MEBIBYTE, Limits

SLOWEST = 16 << 10  # bytes per second: the uplink of the slowest mobile networks


class BodyReader:
    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self.held = 0  # bytes of all bodies that are being read or used
        self._limits = limits
        self._metrics = metrics

    @asynccontextmanager
    async def body(self, request: Request) -> AsyncIterator[bytearray]:
        """Read a body, and count it until it has been used."""
        body = bytearray()
        try:
            with self._metrics.stage("receive"):
                await self._receive(request, body)
            yield body
        finally:
            self.held -= len(body)

    async def _receive(self, request: Request, body: bytearray) -> None:
        """Collect a body; in each half of the time for headers it brings as much as `SLOWEST`."""
        clock = asyncio.get_running_loop().time
        seconds = self._limits.receive_seconds / 2
        end = clock() + LONGEST * self._limits.receive_seconds
        arrived = 0
        try:
            async with asyncio.timeout(seconds) as timer:
                async for chunk in request.stream():
                    self.held += len(chunk)
                    body += chunk
                    check_size(len(body), self._limits)
                    if self.held > self._limits.buffered_bytes:
                        raise overloaded(1.0)
                    arrived += len(chunk)
                    if arrived >= SLOWEST * seconds:
                        arrived = 0
                        timer.reschedule(min(clock() + seconds, end))
        except TimeoutError:
            raise too_slow() from None


def check_size(size: int, limits: Limits) -> None:
    """Refuse a body of so many bytes, declared or received, if that is too many."""
    if size > limits.body_bytes:
        allowed = f"{limits.body_bytes / MEBIBYTE:g} MiB"
        detail = f"a request may have {allowed}: send a smaller photo, or fewer rows"
        raise ProblemError(413, Reason.BODY_TOO_LARGE, detail)
