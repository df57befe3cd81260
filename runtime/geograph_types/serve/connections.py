"""One connection, which is closed when it brings too little in its time.

uvicorn has a limit for idle connections alone. Here headers must be complete in time, a body must
keep up a least speed, an answer must be taken, and headers, trailers and pipelined requests are
bounded in number and size.
"""

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from geograph_types.serve.settings import Limits

__all__ = ["guarded"]

SLOWEST = 16 << 10
"""Bytes a second that a body must bring: the uplink of the slowest mobile networks."""

LONGEST = 6
"""Times the limit for headers, that a body may take however fast it is."""

OVERHEAD_LIMIT = 64 << 10
"""Bytes without a byte of body: request lines, headers, chunk extensions, trailers."""

PIPELINE_LIMIT = 8
"""Requests that may wait behind the one that is being answered."""

TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
TOO_LONG = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"connection: close\r\ncontent-length: 0\r\n\r\n"
)


class GuardedConnection(HttpToolsProtocol):
    """A connection with limits on what it brings and on how long that takes."""

    limits: ClassVar[Limits]
    opened: ClassVar[dict["GuardedConnection", None]]
    """Connections whose request is not complete, the longest waiting first."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._watch: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._overhead = 0
        self._body_bytes = 0
        self._body_until = 0.0
        self._in_body = False
        self._close_after_body = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for headers, and make room where there are too many connections."""
        super().connection_made(transport)
        self.opened[self] = None
        if len(self.connections) > self.limits.connections:
            oldest = next(iter(self.opened))
            oldest.transport.abort()
            self.opened.pop(oldest, None)
        self._watch_for(self.limits.receive_seconds, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all clocks."""
        super().connection_lost(exc)
        self.opened.pop(self, None)
        self._stop_watching()
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        """Parse, and close a connection that brings much without getting anywhere."""
        self._overhead += len(data)
        super().data_received(data)
        if self._overhead > OVERHEAD_LIMIT and not self.transport.is_closing():
            self._close_with(TOO_LONG)

    def on_message_begin(self) -> None:
        """Begin to wait for the headers of a request."""
        if len(self.pipeline) >= PIPELINE_LIMIT:
            raise ValueError("too many requests in a row")  # answered with 400
        super().on_message_begin()
        self.opened.setdefault(self, None)
        self._watch_for(self.limits.receive_seconds, self._too_slow)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; what follows a body is passed over."""
        if not self._in_body:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to wait for the body."""
        self._in_body = True
        self._close_after_body = False
        self._body_bytes = 0
        self._body_until = self.loop.time() + LONGEST * self.limits.receive_seconds
        super().on_headers_complete()
        self.cycle.transport = _GentleTransport(self)  # type: ignore[assignment]
        self._watch_for(self.limits.receive_seconds / 2, self._check_body)

    def on_body(self, body: bytes) -> None:
        """Count what comes of the body."""
        self._overhead = 0
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Stop the clock: what follows is up to the application."""
        self._in_body = False
        self._overhead = 0
        self.opened.pop(self, None)
        super().on_message_complete()
        self._stop_watching()
        if self.cycle.response_complete:
            # It was answered before its body was read; the connection is idle from now on.
            seconds = 0 if self._close_after_body else self.limits.idle_seconds
            self._watch_for(seconds, self.transport.close)

    def on_response_complete(self) -> None:
        """Give the rest of a body that nobody wants a little longer, so that the answer is read."""
        super().on_response_complete()
        if self._in_body and not self.transport.is_closing():
            # uvicorn's own clock is for idle connections.
            self._unset_keepalive_if_required()
            self._body_until = self.loop.time() + self.limits.receive_seconds

    def close_gently(self) -> None:
        """Close after an answer, and when the request was read.

        Closed earlier, the system would tell the client that the connection broke, and the client
        would not read the answer that refuses its request.
        """
        if self._in_body:
            self._close_after_body = True
        else:
            self.transport.close()

    def pause_writing(self) -> None:
        """Begin to wait for an answer to be taken."""
        super().pause_writing()
        self._unread = self.loop.call_later(self.limits.receive_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop waiting for that."""
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _check_body(self) -> None:
        seconds = self.limits.receive_seconds / 2
        if self._body_bytes < SLOWEST * seconds or self.loop.time() > self._body_until:
            self._too_slow()
            return
        self._body_bytes = 0
        self._watch_for(seconds, self._check_body)

    def _too_slow(self) -> None:
        has_begun = self._overhead or self._in_body
        is_answered = self._in_body and self.cycle.response_started
        self._close_with(TOO_SLOW if has_begun and not is_answered else b"")

    def _close_with(self, answer: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()

    def _watch_for(self, seconds: float, then: Callable[[], None]) -> None:
        self._stop_watching()
        self._watch = self.loop.call_later(seconds, then)

    def _stop_watching(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None


class _GentleTransport:
    """What an answer is written to; uvicorn closes it at the end of the answer."""

    def __init__(self, connection: GuardedConnection) -> None:
        self._connection = connection

    def write(self, data: bytes) -> None:
        self._connection.transport.write(data)

    def is_closing(self) -> bool:
        return self._connection.transport.is_closing()

    def close(self) -> None:
        self._connection.close_gently()


def guarded(limits: Limits) -> type[GuardedConnection]:
    """Make the class of connections with these limits."""
    return type("Connection", (GuardedConnection,), {"limits": limits, "opened": {}})
