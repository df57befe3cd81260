"""Jobs in threads, for requests that may be given up."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

T = TypeVar("T")


async def while_connected(request: Request, work: Coroutine[Any, Any, bytes]) -> bytes:
    """Do the work of a request whose body was read; a client that leaves ends it."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def run_in_thread(executor: Executor, job: Callable[[], T]) -> T:
    """Run a job in a thread of an executor.

    If this is cancelled, a job that waits is dropped, with all that it holds. One that has begun
    cannot be ended, and is waited for, so that what it takes stays counted until it is done.
    """
    # An executor keeps a job that was cancelled in its queue until a thread comes to it.
    pending = [job]
    running = executor.submit(lambda: pending.pop()())
    result = asyncio.wrap_future(running)
    try:
        return await asyncio.shield(result)
    except asyncio.CancelledError:
        if running.cancel():
            pending.clear()
        else:
            await asyncio.gather(result, return_exceptions=True)
        raise
