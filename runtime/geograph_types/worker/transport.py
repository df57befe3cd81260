"""HTTP in bounded steps: the only module that imports httpx.

Nothing is followed, kept or decoded that was not asked for: a redirect is an answer like any other,
and a body ends at a limit of bytes (before and after unpacking) and of time.
"""

import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO, Final

from geograph_types.errors import MissingExtraError

try:
    import httpx
except ModuleNotFoundError:
    raise MissingExtraError("httpx", "worker") from None

CONNECT_SECONDS: Final = 10.0
READ_SECONDS: Final = 30.0
"""That may pass without a byte."""

BUSY: Final = frozenset({408, 425, 429})
BLOCK_BYTES: Final = 1 << 16
DRAINED_BYTES: Final = 1 << 16
"""Of an error's page: so much is read, that its connection can be used again."""


class RequestError(Exception):
    """No answer, or none that can be read; the text says why."""


class BodyTooLargeError(Exception):
    """An answer with more bytes than are taken."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer."""

    status: int  # of HTTP
    location: str  # where a redirect leads; empty elsewhere
    retry_after: str  # the header of that name; empty where there is none
    body: bytes  # empty where it went to a file, or the status is no success

    @property
    def succeeded(self) -> bool:
        """Whether the request was done."""
        return 200 <= self.status < 300

    @property
    def redirects(self) -> bool:
        """Whether it leads elsewhere."""
        return 300 <= self.status < 400

    @property
    def is_busy(self) -> bool:
        """Whether the status speaks of the moment, not of what was asked for."""
        return self.status in BUSY


class Transport:
    """Connections that are kept open between requests; proxies are those of the environment."""

    def __init__(self, user_agent: str) -> None:
        """Connect to nothing yet."""
        limits = httpx.Limits(max_connections=2)
        timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
        self._client = httpx.Client(
            headers={"User-Agent": user_agent, "Accept-Encoding": "gzip"},
            timeout=timeout,
            limits=limits,
            follow_redirects=False,
        )

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def request(
        self,
        method: str,
        url: str,
        *,
        limit: int,
        seconds: float,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        into: BinaryIO | None = None,
        allows: Callable[[str], bool] | None = None,
    ) -> Reply:
        """Ask once."""
        until = time.monotonic() + seconds
        sink = BytesIO() if into is None else into
        try:
            with self._client.stream(method, url, content=body, headers=headers) as response:
                if allows is not None and not allows(_peer(response)):
                    raise RequestError("its host has moved to an address that is not public")
                taken = limit if response.is_success else DRAINED_BYTES
                try:
                    for block in _blocks(response, taken, until):
                        if response.is_success:
                            sink.write(block)
                except (BodyTooLargeError, RequestError, httpx.HTTPError):
                    if response.is_success:
                        raise
                return Reply(
                    response.status_code,
                    response.headers.get("Location", ""),
                    response.headers.get("Retry-After", ""),
                    sink.getvalue() if isinstance(sink, BytesIO) else b"",
                )
        except httpx.TimeoutException as error:
            raise RequestError(f"no answer in time ({type(error).__name__})") from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, UnicodeError) as error:
            detail = " ".join(str(error).split())[:200] or type(error).__name__
            raise RequestError(detail) from None


def _peer(response: httpx.Response) -> str:
    """Return the IP address at the other end."""
    stream = response.extensions.get("network_stream")
    address = stream.get_extra_info("server_addr") if stream is not None else None
    return str(address[0]) if address else ""


def _blocks(response: httpx.Response, limit: int, until: float) -> Iterator[bytes]:
    """Read a body block by block, unpacking gzip no further than the limit."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip", ""):
        raise RequestError(f"its body is packed as {encoding[:20]!r}, which was not asked for")
    gunzip = zlib.decompressobj(16 + zlib.MAX_WBITS) if "gzip" in encoding else None
    left = limit
    for raw in response.iter_raw(BLOCK_BYTES):
        if time.monotonic() > until:
            raise RequestError("it sends too slowly")
        block = raw if gunzip is None else _unpacked(gunzip, raw, left + 1)
        left -= len(block)
        if left < 0:
            raise BodyTooLargeError
        yield block
    if gunzip is not None and not gunzip.eof:
        raise RequestError("its gzip stream breaks off")


def _unpacked(gunzip: "zlib._Decompress", raw: bytes, limit: int) -> bytes:
    try:
        return gunzip.decompress(raw, limit)
    except zlib.error as error:
        raise RequestError(f"its gzip stream is damaged ({error})") from None
