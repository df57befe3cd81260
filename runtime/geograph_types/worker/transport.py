"""HTTP in bounded steps: the only module that imports httpx.

Nothing is followed or kept that was not asked for: a redirect is an answer like any other, and a
body ends at a limit of bytes, unpacked. One deadline covers the whole request.
"""

import asyncio
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.request import getproxies, proxy_bypass

from geograph_types.errors import InputError, MissingExtraError
from geograph_types.worker.public import public_addresses

try:
    import httpx
except ModuleNotFoundError:
    raise MissingExtraError("httpx", "worker") from None

CONNECT_SECONDS: Final = 10.0
READ_SECONDS: Final = 30.0  # that may pass without a byte
BUSY: Final = frozenset({408, 425, 429, 503})
OPEN_CLIENTS: Final = 4

# A body that nobody wants is read so far, that its connection can be used again.
DRAINED_BYTES: Final = 1 << 16
DRAIN_SECONDS: Final = 1.0


class RequestError(Exception):
    """No answer, or none that can be read; the text says why."""


class BodyTooLargeError(RequestError):
    """An answer with more bytes than are taken."""


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    location: str  # where a redirect leads; empty elsewhere
    retry_after: float  # seconds; 0 if it does not say
    body: bytes  # of a GET that succeeded; empty elsewhere

    @property
    def succeeded(self) -> bool:
        return 200 <= self.status < 300

    @property
    def is_busy(self) -> bool:
        """Whether the status is about the moment and all requests, not about what was asked for."""
        return self.status in BUSY

    @property
    def is_transient(self) -> bool:
        return self.status >= 500 or self.is_busy


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
            headers = {**self._headers, **(headers or {})}
            request = httpx.Request(method, url, content=body, headers=headers)
            return self._runner.run(self._within(seconds, request, limit))
        except TimeoutError:
            raise RequestError(f"no complete answer within {seconds:g} seconds") from None
        except httpx.TimeoutException as error:
            raise RequestError(f"no answer in time ({type(error).__name__})") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
            detail = " ".join(str(error).split())[:200] or type(error).__name__
            raise RequestError(detail) from None

    async def _within(self, seconds: float, request: httpx.Request, limit: int) -> Reply:
        async with asyncio.timeout(seconds):
            url, proxy = request.url, proxy_for(request.url)
            if url.raw_host == self._server:
                return await self._exchange(proxy, proxy, request, limit)
            host, port = url.raw_host.decode(), url.port or {"http": 80}.get(url.scheme, 443)
            if proxy:
                with suppress(OSError):
                    await public_addresses(host, port, numeric=True)
                return await self._exchange(proxy, proxy, request, limit)
            *others, last = await public_addresses(host, port)
            # Connections of its own: over TLS they are good for this name only.
            route = f"{url.scheme}://{host}:{port}"
            request.extensions["sni_hostname"] = host
            for address in others:
                request.url = url.copy_with(host=address)
                with suppress(httpx.ConnectError, httpx.ConnectTimeout):
                    return await self._exchange(route, "", request, limit)
            request.url = url.copy_with(host=last)
            return await self._exchange(route, "", request, limit)

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

    async def _exchange(self, route: str, proxy: str, request: httpx.Request, limit: int) -> Reply:
        client = await self._client(route, proxy)
        response = await client.send(request, stream=True)
        try:
            wanted = response.is_success and request.method == "GET"
            body = await _read(response, limit) if wanted else await _drain(response)
        finally:
            await response.aclose()
        location = response.headers.get("Location", "") if response.is_redirect else ""
        retry_after = seconds_of(response.headers.get("Retry-After", ""))
        return Reply(response.status_code, location, retry_after, body)


def proxy_for(url: httpx.URL) -> str:
    """Return the proxy of the environment that carries a request; empty if none does."""
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all", "")
    if not proxy or proxy_bypass(url.host) or proxy_bypass(url.netloc.decode()):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def seconds_of(retry_after: str) -> float:
    """Read the header Retry-After (RFC 9110, 10.2.3), seconds or a date; 0 if it is neither."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return 0.0
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return float(math.ceil(max(0.0, (date - datetime.now(UTC)).total_seconds())))


async def _read(response: httpx.Response, limit: int) -> bytes:
    """Read a body; httpx unpacks it in blocks of what came, which have 64 KiB packed."""
    body = bytearray()
    async for block in response.aiter_bytes():
        body += block
        if len(body) > limit:
            raise BodyTooLargeError(f"it has over {limit >> 20} MB")
    return bytes(body)


async def _drain(response: httpx.Response) -> bytes:
    with suppress(TimeoutError, httpx.HTTPError):
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in response.aiter_raw():
                if response.num_bytes_downloaded > DRAINED_BYTES:
                    break
    return b""
