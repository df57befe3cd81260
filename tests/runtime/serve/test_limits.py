"""Bodies that are too large, connections that are too slow, and more requests than can be done."""

import asyncio
import base64
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from raw_connections import FORM, HEALTH, connect, everything, figure, form, post, tag

from geograph_types import Bundle, TypeTagger
from geograph_types.serve.admission import Admission
from geograph_types.serve.model import Model
from geograph_types.serve.problems import ProblemError
from geograph_types.serve.settings import Limits
from geograph_types.session import Session

LIMIT = 1 << 20


@pytest.fixture(scope="module")
def small(start: Callable[..., Any]) -> Any:
    """A service that has little patience."""
    options = ["--body-limit", "1", "--receive-timeout", "1", "--idle-timeout", "1"]
    return start(*options)


def stream(chunks: int, chunk: bytes = bytes(1 << 16)) -> Iterator[bytes]:
    for _ in range(chunks):
        yield chunk


@pytest.mark.parametrize(
    ("path", "headers", "body"),
    [
        ("/image", {"Content-Type": "application/json"}, bytes(LIMIT + 1)),
        ("/image", {"Content-Type": "application/json"}, stream(2000)),
        ("/tag", {"Content-Type": FORM}, stream(2000)),
        ("/tag", {"Content-Type": FORM, "Connection": "close"}, bytes(40 * LIMIT)),
    ],
    ids=["declared", "chunked", "multipart", "closing"],
)
def test_a_body_over_the_limit_is_refused_and_not_kept(
    small: Any, path: str, headers: dict[str, str], body: Any
) -> None:
    before = small.resident_bytes()
    response = requests.post(small.url + path, data=body, headers=headers, timeout=20)
    assert response.status_code == 413
    assert response.json()["reason"] == "body_too_large"
    assert small.resident_bytes() - before < 10 << 20
    assert requests.get(f"{small.url}/health").status_code == 200


def test_a_body_at_the_limit_is_read(small: Any) -> None:
    response = requests.post(f"{small.url}/image", json={"image": "A" * (LIMIT - 20)})
    assert response.json()["reason"] == "not_an_image"


HEAD = b"POST /image HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"", b""),
        (b"GET /health HT", b"HTTP/1.1 408"),
        (b"GET /health HTTP/1.1\r\nHost: local", b"HTTP/1.1 408"),
        (HEAD + b"Content-Length: 1000\r\n\r\n{", b"HTTP/1.1 408"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", b"HTTP/1.1 408"),
        (HEALTH, b"HTTP/1.1 200"),
    ],
    ids=["nothing", "line", "headers", "body", "chunked", "idle"],
)
def test_who_sends_too_little_is_disconnected(small: Any, sent: bytes, answer: bytes) -> None:
    received = everything(connect(small, sent))
    assert received.startswith(answer)
    assert received.count(b"HTTP/1.1") == bool(answer)


def received(opened: socket.socket) -> bytes:
    """What has come."""
    with suppress(BlockingIOError):
        return opened.recv(100)
    return b""


def test_a_body_that_trickles_is_given_up(small: Any) -> None:
    with connect(small, HEAD + b"Content-Length: 100000\r\n\r\n") as opened:
        opened.setblocking(False)
        limit = time.monotonic() + 10
        while not (answer := received(opened)):
            assert time.monotonic() < limit
            opened.send(b"x")
            time.sleep(0.05)
        assert answer.startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize(
    "flood",
    [
        b"GET /health HTTP/1.1\r\n" + b"X-Long: " + b"y" * 200_000,
        b"GET /" + b"y" * 200_000,
        b"GET /health HTTP/1.1\r\n" + b"a: b\r\n" * 40_000,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"x" * 200_000,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n" + b"a: b\r\n" * 40_000,
        HEALTH * 5_000,
        b"\x00\x01\x02" * 100,
    ],
    ids=["header", "line", "headers", "extension", "trailers", "pipeline", "noise"],
)
def test_a_flood_of_anything_but_bodies_ends_the_connection(small: Any, flood: bytes) -> None:
    before = small.resident_bytes()
    with (
        connect(small, b"") as opened,
        suppress(ConnectionResetError, BrokenPipeError),
    ):
        opened.sendall(flood)
        everything(opened)
    assert small.resident_bytes() - before < 10 << 20
    assert requests.get(f"{small.url}/health").status_code == 200


def test_an_embedding_does_not_depend_on_who_shares_the_batch(
    service: Any, tiny_bundle: Path, make_jpeg: Callable[..., bytes]
) -> None:
    photos = [make_jpeg(seed) for seed in range(40)]
    tagger = TypeTagger(tiny_bundle)
    alone = [tagger.embed([photo])[0] for photo in photos]

    def embed(photo: bytes) -> Any:
        image = base64.b64encode(photo).decode()
        response = requests.post(f"{service.url}/image", json={"image": image})
        return np.array(response.json(), np.float32) if response.ok else None

    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(embed, photos))
    answered = [pair for pair in zip(together, alone, strict=True) if pair[0] is not None]
    assert len(answered) >= 8
    assert all(np.array_equal(one, other) for one, other in answered)


@pytest.mark.parametrize("options", [(), ("--queue-seconds", "0.5"), ("--queue-seconds", "30")])
def test_work_beyond_the_queue_is_refused_at_once_or_when_it_has_waited(
    start: Callable[..., Any],
    make_jpeg: Callable[..., bytes],
    options: tuple[str, ...],
) -> None:
    service = start(*options)
    photo = make_jpeg(1, 4000, 3000)
    body = json.dumps({"image": base64.b64encode(photo).decode()}).encode()
    request = post("/image", body, more="Connection: close\r\n")

    async def ask() -> tuple[int, bytes, float]:
        began = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        writer.write(request)
        answer = await reader.read()
        writer.close()
        return int(answer[9:12]), answer, time.monotonic() - began

    async def ask_often() -> list[tuple[int, bytes, float]]:
        return await asyncio.gather(*(ask() for _ in range(80)))

    answers = asyncio.run(ask_often())
    print(Counter(status for status, *_ in answers), max(seconds for *_, seconds in answers))
    assert {status for status, *_ in answers} == ({200} if "30" in options else {200, 503})
    full = [(text, after) for _, text, after in answers if b'"reason":"overloaded"' in text]
    assert bool(full) is ("30" not in options)
    for answer, seconds in full:
        assert b"retry-after: 1\r\n" in answer
        assert seconds >= (0.5 if options else 0)
    assert tag(service, photo).status_code == 200


def test_as_much_is_accepted_as_can_be_done_in_time() -> None:
    now = 0.0
    admission = Admission(Limits(), clock=lambda: now)
    for _ in range(200):
        with admission.accepted(0):
            now += 0.01
    assert admission.seconds_per_unit == pytest.approx(0.01, rel=0.05)
    entered = []
    with pytest.raises(ProblemError) as refused:
        while True:
            waiting = admission.accepted(0)
            waiting.__enter__()
            entered.append(waiting)
    assert len(entered) == pytest.approx(50, abs=3)
    assert refused.value.headers == {"Retry-After": "1"}
    for waiting in entered:
        waiting.__exit__(None, None, None)
    assert (admission.waiting, admission.units) == (0, 0)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_what_was_accepted_is_answered_before_the_end(
    start: Callable[..., Any], make_jpeg: Callable[..., bytes], number: int, status: int
) -> None:
    service = start()
    request = post("/tag", form(photo=make_jpeg()), FORM)
    opened = connect(service, request[:-10])
    idle = connect(service, HEALTH)
    assert idle.recv(1000).startswith(b"HTTP/1.1 200")
    # The service has begun to read the first, which came earlier.
    service.process.send_signal(number)
    everything(idle)
    opened.sendall(request[-10:])
    assert everything(opened).startswith(b"HTTP/1.1 200")
    assert service.process.wait(20) == status


def test_a_model_that_was_dropped_is_kept_by_nobody(tiny_bundle: Path) -> None:
    def sessions() -> int:
        return sum(isinstance(one, Session) for one in gc.get_objects())

    model = Model(Bundle.open(tiny_bundle), threads=1)
    with ThreadPoolExecutor(1) as loader:
        loading = loader.submit(model.load)
        loading.result()
        gc.collect()
        loaded = sessions()
        loader.submit(model.unload).result()
        assert sessions() == loaded - 1
        assert (model.is_loaded, model.was_loaded, loading.result()) == (False, True, None)


def test_a_model_that_was_dropped_is_loaded_again(start: Callable[..., Any], photo: Path) -> None:
    service = start("--idle-unload", "1")

    assert tag(service, photo.read_bytes()).ok
    limit = time.monotonic() + 30
    while figure(service, "model_loaded"):
        assert time.monotonic() < limit
        time.sleep(0.1)
    assert requests.get(f"{service.url}/ready").status_code == 200
    assert tag(service, photo.read_bytes()).ok
    assert figure(service, "model_loaded") == 1


@pytest.mark.parametrize("seconds", [0.0, 0.2, 0.5, 1.0])
def test_the_first_process_of_a_container_hears_sigterm_while_it_starts(
    tiny_bundle: Path, seconds: float
) -> None:
    """Without a handler of its own, process 1 of a namespace would not."""
    command = ["unshare", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child"]
    if subprocess.run([*command, "true"], capture_output=True).returncode:
        pytest.skip("no process namespaces here")
    program = "from geograph_types.cli.serve import serve; print('started', flush=True); "
    program += f"serve(['--bundle', {str(tiny_bundle)!r}, '--port', '0'], standalone_mode=False)"
    with subprocess.Popen(
        [*command, sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"started\n"
        time.sleep(0.05 + seconds)
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text()
        os.kill(int(children), signal.SIGTERM)
        assert parent.wait(30) == 0
