import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import repeat
from pathlib import Path
from typing import Any, Final

import pytest
import requests

SLOW: Final = 200
CLOSED_SECONDS: Final = 15
ORDINARY: Final = 100
HUGE: Final = 600 << 20
GROWTH: Final = 30 << 20

HEAD: Final = b"POST /tag HTTP/1.1\r\nHost: localhost\r\n"
KINDS: Final = {
    "headers": HEAD,
    "body": HEAD + b"Content-Type: application/json\r\nContent-Length: 900000\r\n\r\n{",
    "idle": b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


@pytest.fixture(scope="module")
def service(start_service: Callable[..., Any], tiny_bundle: Path) -> Any:
    return start_service(tiny_bundle)


async def closed_after(port: int, kind: str) -> float:
    """Open a connection that trickles, and give the seconds until the service closes it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    start = time.monotonic()
    writer.write(KINDS[kind])

    async def trickle() -> None:
        while kind != "idle":
            await asyncio.sleep(0.5)
            writer.write(b"a" if kind == "body" else b"a: b\r\n")

    trickling = asyncio.create_task(trickle())
    with suppress(ConnectionError):
        while await reader.read(1 << 16):
            pass
    trickling.cancel()
    writer.close()
    return time.monotonic() - start


async def answered(port: int, photo: bytes) -> bool:
    form = b'--b\r\nContent-Disposition: form-data; name="photo"\r\n\r\n' + photo + b"\r\n--b--\r\n"
    head = HEAD + b"Content-Type: multipart/form-data; boundary=b\r\nConnection: close\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head + f"Content-Length: {len(form)}\r\n\r\n".encode() + form)
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    return answer.startswith(b"HTTP/1.1 200")


async def hold_and_ask(port: int, photo: bytes) -> tuple[dict[str, list[float]], int]:
    kinds = [list(KINDS)[number % len(KINDS)] for number in range(SLOW)]
    slow = [asyncio.create_task(closed_after(port, kind)) for kind in kinds]
    served = 0
    for _ in range(ORDINARY):
        served += await answered(port, photo)
        await asyncio.sleep(0.03)
    seconds: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for kind, closing in zip(kinds, slow, strict=True):
        seconds[kind].append(await asyncio.wait_for(closing, 60))
    return seconds, served


def test_slow_connections_are_closed_and_others_are_served(service: Any, photo: Path) -> None:
    seconds, served = asyncio.run(hold_and_ask(service.port, photo.read_bytes()))
    for kind, values in seconds.items():
        print(f"{kind}: {len(values)} closed after {min(values):.1f} to {max(values):.1f} s")
        assert max(values) <= CLOSED_SECONDS
    print(f"{served} of {ORDINARY} ordinary requests served")
    assert served >= 0.95 * ORDINARY


def blocks() -> Iterator[bytes]:
    return repeat(bytes(1 << 16), HUGE >> 16)


class Declared:
    def __init__(self) -> None:
        self._left = HUGE

    def __len__(self) -> int:
        return HUGE

    def read(self, size: int = 1 << 16) -> bytes:
        size = min(size, self._left)
        self._left -= size
        return bytes(size)


def multipart() -> Iterator[bytes]:
    yield b'--b\r\nContent-Disposition: form-data; name="photo"\r\n\r\n'
    yield from blocks()


@pytest.mark.parametrize(
    ("path", "content_type", "body"),
    [
        ("/image", "application/json", Declared),
        ("/image", "application/json", blocks),
        ("/tag", "multipart/form-data; boundary=b", multipart),
    ],
    ids=["declared", "chunked", "multipart"],
)
def test_huge_bodies(service: Any, path: str, content_type: str, body: Callable[[], Any]) -> None:
    before = most = service.resident_bytes()
    headers = {"Content-Type": content_type}
    with ThreadPoolExecutor(1) as thread:
        asking = thread.submit(
            requests.post, service.url + path, data=body(), headers=headers, timeout=60
        )
        while not asking.done():
            most = max(most, service.resident_bytes())
            time.sleep(0.005)
    response = asking.result()
    print(f"{path}, {content_type}: {(most - before) / 1e6:.1f} MB more")
    assert (response.status_code, response.json()["reason"]) == (413, "body_too_large")
    assert most - before <= GROWTH
