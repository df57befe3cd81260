"""A service in a process of its own: when it is ready, what memory it has, and load on it."""

import base64
import http.client
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from geograph_types.errors import BackendError
from measuring.memory import resident_megabytes
from service.answers import Load

BENCHMARKS: Final = Path(__file__).parents[1]
START_LIMIT: Final = 120.0
STOP_LIMIT: Final = 30.0
SECONDS_BETWEEN_LOOKS: Final = 0.01
SECONDS_BETWEEN_WEIGHINGS: Final = 1.0


class Running:
    """A service that is ready."""

    def __init__(self, pid: int, port: int, ready: float, first: float) -> None:
        self.port = port
        self.ready = ready
        self.first = first
        self._pid = pid
        self.megabytes = self.weigh()

    def weigh(self) -> float:
        """Return the resident memory of the process and those it started, in MB."""
        return resident_megabytes(self._pid)

    def load(self, requests: Path, seconds: float, **kind: float) -> tuple[Load, list[float]]:
        """Load it from another process: `rate` requests per second, or from so many `clients`.

        Returns what came back, and the resident memory of every second, in MB.
        """
        options = [f"--{name}={value}" for name, value in kind.items()]
        command = [sys.executable, "-m", "service.load", str(self.port), str(requests)]
        weights: list[float] = []
        over = threading.Event()

        def watch() -> None:
            while not over.wait(SECONDS_BETWEEN_WEIGHINGS):
                weights.append(self.weigh())

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            done = subprocess.run(
                [*command, *options, f"--seconds={seconds}"],
                cwd=BENCHMARKS,
                stdout=subprocess.PIPE,
                check=False,
            )
        finally:
            over.set()
            watcher.join()
        if done.returncode:
            raise BackendError("the load could not be made; what it said is above")
        return msgspec.json.decode(done.stdout, type=Load), weights


@contextmanager
def started(
    name: str, command: Callable[[int], Sequence[str]], ready: str, photo: Path
) -> Iterator[Running]:
    """Start a service, wait until it is ready and has embedded a photo, and end it afterwards."""
    port = _free_port()
    start = time.perf_counter()
    process = subprocess.Popen(command(port), stdout=subprocess.DEVNULL)
    try:
        while not _answers(port, ready):
            if process.poll() is not None or time.perf_counter() - start > START_LIMIT:
                raise BackendError(f"{name} does not start; what it said is above")
            time.sleep(SECONDS_BETWEEN_LOOKS)
        seconds = time.perf_counter() - start
        if not _answers(port, "/image", _body(photo)):
            raise BackendError(f"{name} does not embed a photo; what it said is above")
        yield Running(process.pid, port, seconds, time.perf_counter() - start)
    finally:
        process.terminate()
        try:
            process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def write_requests(photos: Sequence[Path], path: Path) -> Path:
    """Write the requests that embed photos, as the old service's clients send them."""
    requests = []
    for photo in photos:
        body = _body(photo)
        head = (
            "POST /image HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        requests.append(head.encode() + body)
    path.write_bytes(msgspec.msgpack.encode(requests))
    return path


def _body(photo: Path) -> bytes:
    encoded = base64.b64encode(photo.read_bytes()).decode()
    return msgspec.json.encode({"image": encoded, "model": "clip"})


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _answers(port: int, path: str, body: bytes | None = None) -> bool:
    """Check whether a request is answered with 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_LIMIT)
    headers = {"Content-Type": "application/json"} if body else {}
    with suppress(OSError, http.client.HTTPException):
        connection.request("POST" if body else "GET", path, body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status == 200
    return False
