"""A request ends in time, whatever the other side does."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from fake_geograph import FakeGeograph
from worker_rows import fill

from geograph_types.worker.transport import RequestError, Transport

SECONDS = 1.0
OK = b"HTTP/1.1 200 OK\r\n"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"


class Dripper:
    """A server that sends a beginning, and then a byte now and then without end."""

    def __init__(self, beginning: bytes, drop: bytes, reads: bool = True) -> None:
        self._beginning, self._drop, self._reads = beginning, drop, reads
        self._ended = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            connection, _ = self._listener.accept()
            with connection:
                if self._reads:
                    connection.recv(1 << 16)
                connection.sendall(self._beginning)
                while not self._ended.wait(0.05):
                    connection.sendall(self._drop)

    def close(self) -> None:
        self._ended.set()
        self._listener.close()


@pytest.fixture
def drip() -> Iterator[Callable[..., Dripper]]:
    drippers: list[Dripper] = []

    def make(*arguments: Any) -> Dripper:
        drippers.append(Dripper(*arguments))
        return drippers[-1]

    yield make
    for dripper in drippers:
        dripper.close()


DRIPS: dict[str, tuple[Any, ...]] = {
    "silent": (b"", b""),
    "in a header": (OK + b"X-Slow: ", b"x"),
    "headers": (OK, b"X: y\r\n"),
    "interim answers": (INTERIM, INTERIM),
    "body": (OK + b"Content-Length: 1000000\r\n\r\n", b"x"),
    "chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "not reading": (b"", b"", False),
    "no handshake": (b"", b""),
    "slow handshake": (b"\x16\x03\x03\x40\x00", b"x"),
}


@pytest.mark.parametrize("name", DRIPS)
def test_one_deadline_covers_connecting_sending_headers_and_body(
    drip: Callable[..., Dripper], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("geograph_types.worker.transport.CONNECT_SECONDS", SECONDS / 2)
    scheme = "https" if "handshake" in name else "http"
    method, body = ("POST", bytes(64 << 20)) if name == "not reading" else ("GET", None)
    url = f"{scheme}://{drip(*DRIPS[name]).host}/"
    transport = Transport("test", url)
    began = time.monotonic()
    with pytest.raises(RequestError, match=r"no complete answer within 1 seconds|ConnectTimeout"):
        transport.request(method, url, limit=1 << 20, seconds=SECONDS, body=body)
    assert time.monotonic() - began < 3 * SECONDS
    transport.close()


@pytest.mark.parametrize(("status", "method"), [("200 OK", "POST"), ("404 Not Found", "GET")])
def test_a_body_that_nobody_wants_is_not_waited_for(
    drip: Callable[..., Dripper], status: str, method: str
) -> None:
    head = f"HTTP/1.1 {status}\r\nContent-Length: 1000000\r\n\r\n".encode()
    url = f"http://{drip(head, b'x').host}/"
    transport = Transport("test", url)
    began = time.monotonic()
    reply = transport.request(method, url, limit=1 << 20, seconds=60, body=b"[]")
    assert (reply.status, reply.body) == (int(status[:3]), b"")
    assert time.monotonic() - began < 5
    transport.close()


def test_a_dripping_answer_to_a_delivery_does_not_outlive_a_signal(
    api: FakeGeograph, program: Any
) -> None:
    fill(api, 3)
    api.replies = [(200, {"Content-Length": "1000"}, b"thanks, and")]
    worker = program.start("--embeddings", "--pause", "300")
    api.wait(lambda: any(one.method == "POST" for one in api.asked))
    worker.terminate()
    assert worker.wait(20) == 130
    assert "3 accepted; 2 requests" in program.said()
