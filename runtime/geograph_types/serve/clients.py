"""Work is done as long as somebody waits for it."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from starlette.requests import ClientDisconnect, Request

__all__ = ["while_connected"]


async def while_connected(request: Request, work: Coroutine[Any, Any, bytes]) -> bytes:
    """Do the work of a request whose body was read, and give it up when the client leaves.

    Raises:
        ClientDisconnect: nobody waits for the answer.
    """
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
