import json
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from itertools import cycle
from pathlib import Path
from typing import Any

import msgspec
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
REQUEST = b"POST /image HTTP/1.1\r\nHost: here\r\nContent-Length: 4\r\n\r\nbody"

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"
REFUSED = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
CLOSING = b"HTTP/1.1 429 Too Many Requests\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n["


class Scripted(socketserver.ThreadingTCPServer):
    """Gives prepared answers in turn; an empty one leaves the client waiting."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, answers: tuple[bytes, ...]) -> None:
        self.answers = cycle(answers)
        super().__init__(("127.0.0.1", 0), Handler)

    def handle_error(self, *_: object) -> None:
        """The load may leave at any time."""


class Handler(socketserver.BaseRequestHandler):
    server: Scripted

    def handle(self) -> None:
        while self.request.recv(len(REQUEST), socket.MSG_WAITALL):
            answer = next(self.server.answers)
            self.request.sendall(answer)
            if answer in (CUT, CLOSING):
                return


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Mapping[str, Any]]:
    """Load a server that answers so: (answers, *options)."""
    file = tmp_path / "requests"
    file.write_bytes(msgspec.msgpack.encode([REQUEST]))

    def run(answers: tuple[bytes, ...], *options: str) -> Mapping[str, Any]:
        with Scripted(answers) as server:
            threading.Thread(target=server.serve_forever, args=(0.05,)).start()
            port = str(server.server_address[1])
            command = [sys.executable, "-m", "service.load", port, str(file), "--seconds=1"]
            command += ["--time-limit=0.5", *options]
            found = json.loads(subprocess.check_output(command, cwd=BENCHMARKS))
            server.shutdown()
        return dict(found)

    return run


def test_each_outcome_is_counted_as_what_it_is(load: Callable[..., Mapping[str, Any]]) -> None:
    found = load((OK, REFUSED, CLOSING, CUT, b""), "--rate=50")
    counts = found["counts"]
    assert counts == {"200": 10, "503": 10, "429": 10, "no answer": 10, "timed out": 10}
    assert found["asked"] == 50
    assert found["accepted"]["median"] > 0
    assert found["refused"]["p99"] < 0.5


def test_an_open_load_does_not_wait_for_answers_and_clients_do(
    load: Callable[..., Mapping[str, Any]],
) -> None:
    assert load((b"",), "--rate=40")["counts"] == {"timed out": 40}
    assert load((b"",), "--clients=3")["counts"]["timed out"] <= 9
    assert load((OK,), "--clients=3")["counts"]["200"] > 9
