"""One connection, which is closed when it brings too little in its time.

uvicorn has a limit for idle connections alone. Here headers must be complete in time, a body must
keep up a least speed, an answer must be taken, and headers and trailers are bounded in number and
size. A request that does not wait for the answer to the one before is not read: that one is
answered and the connection closed, which clients have to expect (RFC 9112, 9.3.2). Whoever is
refused here is told so in the form that all refusals have.
"""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from geograph_types.serve.metrics import Metrics
from geograph_types.serve.problems import MEDIA_TYPE, ProblemError, Reason
from geograph_types.serve.settings import Limits

SLOWEST = 16 << 10
"""Bytes a second that a body must bring: the uplink of the slowest mobile networks."""

LONGEST = 6
"""Times the limit for headers, that a body or an answer may take however fast it is."""

OVERHEAD_LIMIT = 64 << 10
"""Bytes without a byte of body: request lines, headers, chunk extensions, trailers."""

TOO_SLOW = ProblemError(
    HTTPStatus.REQUEST_TIMEOUT,
    Reason.TOO_SLOW,
    "the request came too slowly: send it again, over a faster connection or with a smaller photo",
)
TOO_LONG = ProblemError(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    Reason.HEADERS_TOO_LARGE,
    f"the lines and headers of a request may have {OVERHEAD_LIMIT >> 10} KiB",
)
MALFORMED = ProblemError(HTTPStatus.BAD_REQUEST, Reason.BAD_REQUEST, "not a valid HTTP/1.1 request")


class GuardedConnection(HttpToolsProtocol):
    """A connection with limits on what it brings and on how long that takes."""

    limits: ClassVar[Limits]
    metrics: ClassVar[Metrics]
    incomplete: ClassVar[dict["GuardedConnection", None]]
    """Connections whose request is not complete, the longest waiting first."""
    idle: ClassVar[dict["GuardedConnection", None]]
    """Connections that were answered and may send another request, the longest idle first."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._watch: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._unread_bytes = 0
        self._unread_until = 0.0
        self._overhead = 0
        self._body_bytes = 0
        self._body_until = 0.0
        self._in_body = False
        self._close_after_body = False
        self._ignores_data = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for headers, and make room where there are too many connections."""
        super().connection_made(transport)
        self.incomplete[self] = None
        if len(self.connections) > self.limits.connections:
            self._make_room()
        self._watch_for(self.limits.receive_seconds, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all clocks."""
        super().connection_lost(exc)
        self.incomplete.pop(self, None)
        self.idle.pop(self, None)
        self._stop_watching()
        self._stop_watching_answer()

    def data_received(self, data: bytes) -> None:
        """Parse, and close a connection that brings much without getting anywhere."""
        if self._ignores_data:
            return
        self._overhead += len(data)
        super().data_received(data)
        if self._overhead > OVERHEAD_LIMIT:
            self._close_with(TOO_LONG)
        elif self in self.idle and self._watch is None and not self.transport.is_closing():
            # Line ends before a request are passed over, but have stopped uvicorn's own clock.
            self._watch_for(self.limits.idle_seconds, self.transport.close)

    def on_message_begin(self) -> None:
        """Begin to wait for the headers of a request."""
        if self._is_unanswered:
            raise ValueError("a request before the last one was answered")  # see _close_with
        super().on_message_begin()
        if not self.transport.get_write_buffer_size():
            self._stop_watching_answer()
        self.idle.pop(self, None)
        self.incomplete.setdefault(self, None)
        self._watch_for(self.limits.receive_seconds, self._too_slow)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; what follows a body is passed over."""
        if not self._in_body:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to wait for the body."""
        super().on_headers_complete()
        self._in_body = True
        self._close_after_body = False
        self._body_bytes = 0
        self._body_until = self.loop.time() + LONGEST * self.limits.receive_seconds
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
        self.incomplete.pop(self, None)
        super().on_message_complete()
        self._stop_watching()
        if self.cycle.response_complete:
            # It was answered before its body was read; the connection is idle from now on.
            self.idle[self] = None
            seconds = 0 if self._close_after_body else self.limits.idle_seconds
            self._watch_for(seconds, self.transport.close)

    def on_response_complete(self) -> None:
        """Read the rest of a body that nobody wants a little longer, so that the answer is read."""
        super().on_response_complete()
        self._watch_answer()
        if self.transport.is_closing():
            return
        if self._in_body:
            # uvicorn's own clock is for idle connections.
            self._unset_keepalive_if_required()
            self._body_until = self.loop.time() + self.limits.receive_seconds
        else:
            self.idle[self] = None

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        self._close_with(MALFORMED)

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
        self._watch_answer()

    @property
    def _is_unanswered(self) -> bool:
        """Whether a request is complete or about to be, and its answer is not."""
        cycle: RequestResponseCycle | None = self.cycle  # none before the first request
        return cycle is not None and not cycle.response_complete

    def _make_room(self) -> None:
        """Close the connection that is missed least: an idle one, else one that only waits."""
        oldest = next(iter(self.idle or self.incomplete))
        if oldest in self.idle and not oldest.transport.get_write_buffer_size():
            oldest.transport.close()
        else:
            oldest.transport.abort()
        self.idle.pop(oldest, None)
        self.incomplete.pop(oldest, None)

    def _watch_answer(self) -> None:
        """Begin to wait for what was written to be taken, unless it has been or this was begun."""
        if self._unread is None and self.transport.get_write_buffer_size():
            self._unread_until = self.loop.time() + LONGEST * self.limits.receive_seconds
            self._check_answer_later()

    def _check_answer_later(self) -> None:
        self._unread_bytes = self.transport.get_write_buffer_size()
        self._unread = self.loop.call_later(self.limits.receive_seconds, self._check_answer)

    def _check_answer(self) -> None:
        """Wait on for a client that takes its answer slowly, not for one that takes none of it."""
        unread = self.transport.get_write_buffer_size()
        if unread == 0:
            self._unread = None
        elif unread < self._unread_bytes and self.loop.time() < self._unread_until:
            self._check_answer_later()
        else:
            self.transport.abort()

    def _stop_watching_answer(self) -> None:
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
        self._close_with(TOO_SLOW if self._overhead or self._in_body else None)

    def _close_with(self, problem: ProblemError | None) -> None:
        """Close, and say why; a request that was read before gets its answer first."""
        if self.transport.is_closing():
            return
        if self._is_unanswered and not self._in_body:
            self.cycle.keep_alive = False
            self._ignores_data = True
            return
        is_answered = self._in_body and self.cycle.response_started
        if problem is not None and not is_answered:
            self.metrics.count_refusal(problem.details.reason)
            self.metrics.count_answer("other", problem.status)
            self.transport.write(_answer(problem))
        self.transport.close()
        self._watch_answer()

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


def _answer(problem: ProblemError) -> bytes:
    body = problem.body()
    head = (
        f"HTTP/1.1 {problem.status} {problem.details.title}\r\ncontent-type: {MEDIA_TYPE}\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body


def guarded(limits: Limits, metrics: Metrics) -> type[GuardedConnection]:
    """Make the class of connections with these limits.

    Args:
        limits: of time, size and number.
        metrics: told of what is refused before the application hears of it.
    """
    own = {"limits": limits, "metrics": metrics, "incomplete": {}, "idle": {}}
    return type("Connection", (GuardedConnection,), own)
