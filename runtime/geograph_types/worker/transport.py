"""HTTP in bounded steps: the only module that imports httpx.

Nothing is followed or kept that was not asked for: a redirect is an answer like any other, and a
body ends at a limit of bytes, before and after unpacking. One deadline covers the whole request.
"""

import asyncio
import gzip
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from typing import Final
from urllib.request import getproxies, proxy_bypass

from geograph_types.errors import InputError, MissingExtraError
from geograph_types.worker.public import public_addresses

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
DRAIN_SECONDS: Final = 1.0
"""A body that nobody wants is read so far, that its connection can be used again."""

OPEN_CLIENTS: Final = 4


class RequestError(Exception):
    """No answer, or none that can be read; the text says why."""


class BodyTooLargeError(Exception):
    """An answer with more bytes than are taken."""


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    location: str  # where a redirect leads; empty elsewhere
    retry_after: str  # the header of that name; empty if there is none
    body: bytes  # of a GET that succeeded; empty elsewhere

    @property
    def succeeded(self) -> bool:
        return 200 <= self.status < 300

    @property
    def redirects(self) -> bool:
        return 300 <= self.status < 400

    @property
    def is_busy(self) -> bool:
        """Whether the status is about the moment, not about what was asked for."""
        return self.status in BUSY


class Transport:
    """Connections that stay open between requests.

    Proxies are those of the environment. Hosts other than the server's must be on the internet:
    each is looked up once and contacted at an address that was checked. A proxy looks names up
    itself, so behind one only addresses in numbers are checked.
    """

    def __init__(self, user_agent: str, server: str) -> None:
        """Connect to nothing yet; `server` is the address that the user trusts."""
        self._headers = {"User-Agent": user_agent, "Accept": "*/*", "Accept-Encoding": "gzip"}
        self._server = httpx.URL(server).raw_host
        self._certificates = httpx.create_ssl_context()
        self._clients: dict[str, httpx.AsyncClient] = {}
        self._runner = asyncio.Runner()

    def close(self) -> None:
        with self._runner as runner:
            for client in self._clients.values():
                runner.run(client.aclose())

    def request(
        self,
        method: str,
        url: str,
        *,
        limit: int,
        seconds: float,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Ask once, and take at most `limit` bytes of the body and `seconds` in all."""
        try:
            request = httpx.Request(method, url, content=body, headers=self._headers)
            request.headers.update(headers or {})
            return self._runner.run(self._within(seconds, request, limit))
        except TimeoutError:
            raise RequestError(f"no complete answer within {seconds:g} seconds") from None
        except httpx.TimeoutException as error:
            raise RequestError(f"no answer in time ({type(error).__name__})") from None
        except (
            httpx.HTTPError,
            httpx.InvalidURL,
            httpx.StreamError,
            OSError,
            UnicodeError,
        ) as error:
            detail = " ".join(str(error).split())[:200] or type(error).__name__
            raise RequestError(detail) from None

    async def _within(self, seconds: float, request: httpx.Request, limit: int) -> Reply:
        async with asyncio.timeout(seconds):
            url, proxy = request.url, proxy_for(request.url)
            if url.raw_host == self._server:
                return await self._exchange(await self._client(proxy, proxy), request, limit)
            host, port = url.raw_host.decode(), url.port or {"http": 80}.get(url.scheme, 443)
            if proxy:
                with suppress(OSError):
                    await public_addresses(host, port, numeric=True)
                return await self._exchange(await self._client(proxy, proxy), request, limit)
            addresses = await public_addresses(host, port)
            # Connections of its own: over TLS they are good for this name only.
            client = await self._client(f"{url.scheme}://{host}:{port}", "")
            request.extensions["sni_hostname"] = host
            for address in addresses[:-1]:
                request.url = url.copy_with(host=address)
                with suppress(httpx.ConnectError, httpx.ConnectTimeout):
                    return await self._exchange(client, request, limit)
            request.url = url.copy_with(host=addresses[-1])
            return await self._exchange(client, request, limit)

    async def _client(self, route: str, proxy: str) -> httpx.AsyncClient:
        """Return the client of a route, which keeps its connections apart from others'."""
        if route not in self._clients:
            if len(self._clients) == OPEN_CLIENTS:
                await self._clients.pop(next(iter(self._clients))).aclose()
            try:
                self._clients[route] = httpx.AsyncClient(
                    verify=self._certificates,
                    proxy=proxy or None,
                    timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
                    limits=httpx.Limits(max_connections=2),
                    trust_env=False,
                )
            except (ImportError, ValueError) as error:
                raise InputError(f"the proxy of the environment cannot be used ({error})") from None
        return self._clients[route]

    async def _exchange(
        self, client: httpx.AsyncClient, request: httpx.Request, limit: int
    ) -> Reply:
        response = await client.send(request, stream=True)
        try:
            wanted = response.is_success and request.method == "GET"
            body = await _read(response, limit) if wanted else await _drain(response)
        finally:
            await response.aclose()
        headers = response.headers
        location, retry_after = headers.get("Location", ""), headers.get("Retry-After", "")
        return Reply(response.status_code, location, retry_after, body)


def proxy_for(url: httpx.URL) -> str:
    """Return the proxy of the environment that carries a request; empty if none does."""
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all", "")
    if not proxy or proxy_bypass(url.host) or proxy_bypass(url.netloc.decode()):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


async def _read(response: httpx.Response, limit: int) -> bytes:
    """Read a body and unpack gzip, neither beyond the limit.

    httpx would unpack too, but drops what follows a first member of gzip.
    """
    raw = bytearray()
    async for block in response.aiter_raw(BLOCK_BYTES):
        raw += block
        if len(raw) > limit:
            raise BodyTooLargeError
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in ("identity", ""):
        return bytes(raw)
    if encoding not in ("gzip", "x-gzip"):
        raise RequestError(f"its body is packed as {encoding[:20]!r}, which was not asked for")
    try:
        body = gzip.GzipFile(fileobj=BytesIO(raw)).read(limit + 1)
    except EOFError:
        raise RequestError("its gzip stream breaks off") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise RequestError(f"its gzip stream is damaged ({error})") from None
    if len(body) > limit:
        raise BodyTooLargeError
    return body


async def _drain(response: httpx.Response) -> bytes:
    with suppress(TimeoutError, httpx.HTTPError):
        async with asyncio.timeout(DRAIN_SECONDS):
            left = DRAINED_BYTES
            async for block in response.aiter_raw(BLOCK_BYTES):
                left -= len(block)
                if left < 0:
                    break
    return b""
