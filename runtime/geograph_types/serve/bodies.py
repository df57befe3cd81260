"""Read the body of a request, no further than allowed."""

from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import Request

from geograph_types.serve.admission import overloaded
from geograph_types.serve.problems import ProblemError, Reason
from geograph_types.serve.settings import MEBIBYTE, Limits


def body_too_large(limit: int) -> ProblemError:
    """Return the refusal of a body over the limit."""
    return ProblemError(
        413,
        Reason.BODY_TOO_LARGE,
        f"a request may have {limit / MEBIBYTE:g} MiB: send a smaller photo, or fewer rows",
    )


def declared_size(value: str | None) -> int:
    """Read a Content-Length, which the server has checked to be digits; 0 where there is none."""
    return int(value) if value and value.isdecimal() else 0


class BodyReader:
    """Read bodies, and count what is held of all of them.

    Attributes:
        held: bytes of the bodies that are being read or used.
    """

    def __init__(self, limits: Limits) -> None:
        """Keep to the limits of one body and of all together."""
        self.held = 0
        self._limits = limits

    @contextmanager
    def holding(self) -> Iterator["HeldBody"]:
        """Count a body while it is read and used."""
        body = HeldBody(self, self._limits)
        try:
            yield body
        finally:
            self.held -= body.size


class HeldBody:
    """One body.

    Attributes:
        size: bytes that are held of it.
    """

    def __init__(self, reader: BodyReader, limits: Limits) -> None:
        self.size = 0
        self._reader = reader
        self._limits = limits

    async def read(self, request: Request) -> bytes:
        """Read it.

        Raises:
            ProblemError: 413 where it is too large, 503 where all together take too much memory.
            ClientDisconnect: the client left, or was too slow.
        """
        chunks: list[bytes] = []
        async for chunk in request.stream():
            self.size += len(chunk)
            self._reader.held += len(chunk)
            if self.size > self._limits.body_bytes:
                raise body_too_large(self._limits.body_bytes)
            if self._reader.held > self._limits.buffered_bytes:
                raise overloaded(1.0)
            chunks.append(chunk)
        return b"".join(chunks)
