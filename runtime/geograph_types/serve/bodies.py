"""Read the bodies of requests, no further than allowed and no slower."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import Request

from geograph_types.serve.admission import overloaded
from geograph_types.serve.metrics import Metrics
from geograph_types.serve.problems import ProblemError, Reason, too_slow
from geograph_types.serve.settings import LONGEST, MEBIBYTE, Limits

SLOWEST = 16 << 10
"""Bytes per second that a body must bring: the uplink of the slowest mobile networks."""


def body_too_large(limit: int) -> ProblemError:
    detail = f"a request may have {limit / MEBIBYTE:g} MiB: send a smaller photo, or fewer rows"
    return ProblemError(413, Reason.BODY_TOO_LARGE, detail)


class BodyReader:
    """Read bodies, and count what is held of all of them."""

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self.held = 0  # bytes of the bodies that are being read or used
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
                    self._check(body)
                    arrived += len(chunk)
                    if arrived >= SLOWEST * seconds:
                        arrived = 0
                        timer.reschedule(min(clock() + seconds, end))
        except TimeoutError:
            raise too_slow() from None

    def _check(self, body: bytearray) -> None:
        if len(body) > self._limits.body_bytes:
            raise body_too_large(self._limits.body_bytes)
        if self.held > self._limits.buffered_bytes:
            raise overloaded(1.0)
