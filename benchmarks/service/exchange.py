"""One connection to a service, as little of HTTP/1.1 as prebuilt requests need."""

import asyncio
import re
import socket
from typing import Final

NO_ANSWER: Final = 0
"""In place of a status: the connection was closed before the answer was there in full."""
SEND_BUFFER: Final = 1 << 20
LENGTH: Final = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
CLOSES: Final = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


class Exchange(asyncio.Protocol):
    """A connection that carries one request at a time."""

    def __init__(self) -> None:
        self.usable = False
        self._received = bytearray()
        self._awaited: asyncio.Future[int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("a stream is needed")
        self._transport = transport
        # Whole requests fit, so that sending one never waits for its receiver.
        made: socket.socket = transport.get_extra_info("socket")
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self.usable = True

    async def ask(self, request: bytes) -> int:
        """Send a request and return the status of its answer, or `NO_ANSWER`."""
        self.usable = False
        self._received.clear()
        self._awaited = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._awaited

    def data_received(self, data: bytes) -> None:
        """Read on, until the answer is there in full."""
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        # Only the head is searched: bodies may hold anything.
        head = bytes(self._received[: end + 2])
        length = LENGTH.search(head)
        if length is None or len(self._received) < end + 4 + int(length[1]):
            return
        # A service may refuse a photo before all of it was sent; the rest must not follow.
        sent = self._transport.get_write_buffer_size() == 0
        if CLOSES.search(head) or not sent:
            self._transport.close()
        else:
            self.usable = True
        self._finish(int(head[9:12]))

    def connection_lost(self, error: Exception | None) -> None:
        """End what was still awaited."""
        self.usable = False
        self._finish(NO_ANSWER)

    def abort(self) -> None:
        """Close at once."""
        self.usable = False
        self._transport.abort()

    def _finish(self, status: int) -> None:
        if self._awaited is not None and not self._awaited.done():
            self._awaited.set_result(status)
