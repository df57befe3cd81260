"""Jobs in threads, for requests that may be given up."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

__all__ = ["run_in_thread"]

T = TypeVar("T")


async def run_in_thread(executor: Executor, job: Callable[[], T]) -> T:
    """Run a job in a thread of an executor.

    Where this is cancelled, a job that waits is dropped, with all that it holds. One that has begun
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
