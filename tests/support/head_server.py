"""A server on loopback that gives a head as badly as a test wants it to."""

import hashlib
import http.server
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from geograph_types_export.download import Limits
from geograph_types_export.released import ReleasedHead, Source

CONTENT = hashlib.shake_256(b"a head").digest(50_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
NAME = "head.pth"
HALF = 24 * 1024
QUICK = Limits(size=100_000, silent_seconds=5.0, tries=3, pause_seconds=0.0)


class Request(http.server.BaseHTTPRequestHandler):
    """Answers as the test says, request by request; the last answer serves all that follow."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_GET(self) -> None:
        self.close_connection = True
        self.range = self.headers.get("Range")
        answers = self.server.answers
        count = len(self.server.seen)
        self.server.seen.append((self.path, self.range))
        try:
            answers[min(count, len(answers) - 1)](self)
        except (BrokenPipeError, ConnectionResetError):
            self.server.left_early += 1

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""

    def start(self, status: int, **headers: object) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()


Answer = Callable[[Request], None]


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.answers: list[Answer] = [honest]
        self.seen: list[tuple[str, str | None]] = []
        self.left_early = 0
        self.over = threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def ranges(self) -> list[str | None]:
        return [wanted for _, wanted in self.seen]


def sending(content: bytes, stop: int | None = None) -> Answer:
    """Answer with a file, the range of it that was asked for, and break off at `stop`."""

    def answer(request: Request) -> None:
        start = 0
        if request.range is not None:
            start = int(re.fullmatch(r"bytes=(\d+)-", request.range)[1])  # type: ignore[index]
        if start >= len(content):
            request.start(416, Content_Range=f"bytes */{len(content)}", Content_Length=0)
            return
        headers: dict[str, object] = {"Content_Length": len(content) - start}
        if request.range is not None:
            headers["Content_Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        request.start(200 if request.range is None else 206, **headers)
        request.wfile.write(content[start:stop])

    return answer


def refusing(status: int) -> Answer:
    return lambda request: request.start(status, Content_Length=0)


def redirecting(location: str) -> Answer:
    return lambda request: request.start(302, Location=location, Content_Length=0)


def whole_whatever_is_asked(request: Request) -> None:
    request.start(200, Content_Length=len(CONTENT))
    request.wfile.write(CONTENT)


def endless(request: Request) -> None:
    request.start(200)
    while True:
        request.wfile.write(bytes(10_000))


honest = sending(CONTENT)
cut_off = sending(CONTENT, stop=HALF)


def trickling(beginning: bytes, rest: bytes) -> Answer:
    """Answer byte for byte, and go on with the rest of it for at most 10 s."""

    def answer(request: Request) -> None:
        request.wfile.write(beginning)
        for byte in rest[:500]:
            if request.server.over.wait(0.02):
                break
            request.wfile.write(bytes([byte]))

    return answer


@contextmanager
def running_server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            thread.join()


def source_at(address: str) -> Source:
    return Source(address, {"v1": ReleasedHead(NAME, DIGEST)})


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".lock"}
