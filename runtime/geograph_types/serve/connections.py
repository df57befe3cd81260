"""uvicorn's connections, with a deadline for headers, one for reading answers, and a cap.

h11 parses them: it reads the body of a request that offers an upgrade, as RFC 9110, 7.8 has it.
"""

import asyncio
import sys
from typing import ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from geograph_types.serve.metrics import Metrics
from geograph_types.serve.problems import MEDIA_TYPE, ProblemError, Reason, too_slow
from geograph_types.serve.settings import LONGEST, Limits

HEAD_LIMIT = 64 << 10  # bytes of the request line and headers, and of trailers
PROBE_SECONDS = 0.1
READ_BYTES = 1 << 14  # at a time; asyncio's 256 KiB in chunks of a byte occupy h11 for a second


class Connection(H11Protocol):
    """One connection; the server has it checked ten times a second."""

    limits: ClassVar[Limits]
    metrics: ClassVar[Metrics]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request, and make room if there are too many connections."""
        super().connection_made(transport)
        transport.max_size = READ_BYTES  # type: ignore[attr-defined]
        now = self.loop.time()
        self._waiting_since = now  # for the rest of a request
        self._unread = 0  # bytes of answers
        self._unread_since = now
        self._read_at = now
        self._half_closed_at: float | None = None
        if len(self.connections) > self.limits.connections:
            connections = (one for one in self.connections if isinstance(one, Connection))
            min(connections, key=Connection._importance).transport.abort()

    def data_received(self, data: bytes) -> None:
        """Parse; line ends before a request are passed over (RFC 9112, 2.2)."""
        if self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]:
            data = data.lstrip(b"\r\n")
        if data:
            super().data_received(data)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Stay open for a client that sends no more, if its request is complete."""
        cycle: RequestResponseCycle | None = self.cycle  # none before the first request
        is_waiting = cycle is not None and not (cycle.response_complete or cycle.more_body)
        if is_waiting:
            self.cycle.keep_alive = bool(self.conn.trailing_data[0])
            self._half_closed_at = self.loop.time()
        return is_waiting

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP in the form of all refusals."""
        problem = ProblemError(400, Reason.BAD_REQUEST, "not a valid HTTP/1.1 request")
        if getattr(sys.exception(), "error_status_hint", 400) == 431:
            detail = f"the line and headers of a request may have {HEAD_LIMIT >> 10} KiB"
            problem = ProblemError(431, Reason.HEADERS_TOO_LARGE, detail)
        self._refuse(problem)

    def check(self) -> None:
        """Close the connection if its headers, or the reading of its answers, take too long."""
        now = self.loop.time()
        unread, seconds = self.transport.get_write_buffer_size(), self.limits.receive_seconds
        if not unread:
            self._unread_since = now
        if not unread or unread < self._unread:
            self._read_at = now
        self._unread = unread
        if now - self._read_at > seconds or now - self._unread_since > LONGEST * seconds:
            self.transport.abort()
        if self.transport.is_closing():
            return
        state = self.conn.their_state
        if self.timeout_keep_alive_task or state not in (h11.IDLE, h11.SEND_BODY):
            self._waiting_since = now
        elif state is h11.IDLE and now - self._waiting_since > seconds:
            self._refuse(too_slow() if self.conn.trailing_data[0] else None)
        if self._half_closed_at is not None and now - self._half_closed_at > PROBE_SECONDS:
            self._probe()

    def _probe(self) -> None:
        """Send an interim answer: a client that has closed both ways resets the connection."""
        if not self.cycle.response_started and self.cycle.scope["http_version"] == "1.1":
            interim = h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue")
            self.transport.write(self.conn.send(interim))

    def _importance(self) -> tuple[int, float]:
        """Rank the longest idle first, then that which waits longest for its request."""
        if self.timeout_keep_alive_task is not None and not self.transport.is_closing():
            return 0, self.timeout_keep_alive_task.when()
        if self.conn.their_state in (h11.IDLE, h11.SEND_BODY) and not self.transport.is_closing():
            return 1, self._waiting_since
        return 2, 0.0

    def _refuse(self, problem: ProblemError | None) -> None:
        """Close, and say why unless an answer has been started."""
        cycle: RequestResponseCycle | None = self.cycle
        is_answering = cycle is not None and cycle.response_started and not cycle.response_complete
        if problem is not None and not is_answering and not self.transport.is_closing():
            self.metrics.refusals.labels(problem.details.reason).inc()
            self.metrics.answers.labels("other", problem.status).inc()
            body = problem.body()
            head = (
                f"HTTP/1.1 {problem.status} {problem.details.title}\r\n"
                f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
                "connection: close\r\n\r\n"
            )
            self.transport.write(head.encode() + body)
        self.transport.close()
