"""A request ends in time, whatever the other side does."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from fake_geograph import FakeGeograph
from worker_rows import fill

from geograph_types.worker.transport import Reply, RequestError, Transport

SECONDS = 1.0
OK = b"HTTP/1.1 200 OK\r\n"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"


@contextmanager
def dripping(beginning: bytes, drop: bytes, reads: bool = True) -> Iterator[str]:
    """A server that sends a beginning, and then a byte now and then without end."""
    ended = threading.Event()

    def serve() -> None:
        with suppress(OSError), listener.accept()[0] as connection:
            if reads:
                connection.recv(1 << 16)
            connection.sendall(beginning)
            while not ended.wait(0.05):
                connection.sendall(drop)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        ended.set()


def ask(method: str, url: str, seconds: float, body: bytes | None = None) -> tuple[Reply, float]:
    """Return an answer and how long it took."""
    transport = Transport("test", url)
    began = time.monotonic()
    try:
        reply = transport.request(method, url, limit=1 << 20, seconds=seconds, body=body)
    finally:
        transport.close()
    return reply, time.monotonic() - began


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
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("geograph_types.worker.transport.CONNECT_SECONDS", SECONDS / 2)
    scheme = "https" if "handshake" in name else "http"
    method, body = ("POST", bytes(64 << 20)) if name == "not reading" else ("GET", None)
    began = time.monotonic()
    late = r"no complete answer within 1 seconds|ConnectTimeout"
    with dripping(*DRIPS[name]) as host, pytest.raises(RequestError, match=late):
        ask(method, f"{scheme}://{host}/", SECONDS, body)
    assert time.monotonic() - began < 3 * SECONDS


@pytest.mark.parametrize(("status", "method"), [("200 OK", "POST"), ("404 Not Found", "GET")])
def test_a_body_that_nobody_wants_is_not_waited_for(status: str, method: str) -> None:
    head = f"HTTP/1.1 {status}\r\nContent-Length: 1000000\r\n\r\n".encode()
    with dripping(head, b"x") as host:
        reply, seconds = ask(method, f"http://{host}/", 60, b"[]")
    assert (reply.status, reply.body) == (int(status[:3]), b"")
    assert seconds < 5


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
