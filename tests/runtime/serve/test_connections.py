"""Connections that are kept, left, read slowly, or used for what is no HTTP."""

import io
import json
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import Any

import numpy as np
import pytest
import requests
from PIL import Image
from raw_connections import FORM, HEALTH, connect, everything, figure, form, post, tag

from geograph_types.serve.settings import Limits

CONNECTIONS = Limits().connections


@pytest.fixture(scope="module")
def patient(start: Callable[..., Any]) -> Any:
    """A service that keeps idle connections, and gives requests and answers little time."""
    return start("--idle-timeout", "60", "--receive-timeout", "1")


def is_healthy(opened: socket.socket) -> bool:
    """Ask on a connection and read the answer, which leaves it idle."""
    opened.sendall(HEALTH)
    answer = b""
    while not answer.endswith(b"}"):
        answer += opened.recv(1000)
    return answer.startswith(b"HTTP/1.1 200")


def test_idle_connections_make_room_for_others(patient: Any) -> None:
    with ExitStack() as stack:
        kept = []
        for _ in range(CONNECTIONS + 50):
            kept.append(stack.enter_context(connect(patient, b"")))
            assert is_healthy(kept[-1])
        # The longest idle were closed, and the last ones can be used again.
        assert [opened.recv(1000) for opened in kept[:50]] == [b""] * 50
        assert all(map(is_healthy, kept[-50:]))


def test_requests_that_never_come_make_room_for_others(start: Callable[..., Any]) -> None:
    service = start("--receive-timeout", "60")
    with ExitStack() as stack:
        for _ in range(CONNECTIONS + 50):
            stack.enter_context(connect(service, HEALTH[:20]))
        assert requests.get(f"{service.url}/health", timeout=5).status_code == 200


@pytest.mark.parametrize(
    ("sent", "status", "reason"),
    [
        (b"\x00\x01\x02\r\n\r\n", 400, "bad_request"),
        (HEALTH[:20], 408, "too_slow"),
        (b"GET /health HTTP/1.1\r\nX: " + b"y" * 70_000, 431, "headers_too_large"),
    ],
)
def test_what_is_refused_before_it_is_a_request_has_a_reason_and_is_counted(
    patient: Any, sent: bytes, status: int, reason: str
) -> None:
    name = f'refusals_total{{reason="{reason}"}}'
    before = figure(patient, name)
    head, _, body = everything(connect(patient, sent)).partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0].startswith(f"HTTP/1.1 {status} ")
    assert {"content-type: application/problem+json", "connection: close"} <= set(lines)
    problem = json.loads(body)
    assert (problem["status"], problem["reason"]) == (status, reason)
    assert set(problem) == {"type", "title", "status", "detail", "reason"}
    assert figure(patient, name) == before + 1


def test_no_photo_is_decoded_or_embedded_for_those_who_have_left(start: Callable[..., Any]) -> None:
    service = start()
    file = io.BytesIO()
    Image.new("RGB", (4_000, 3_000), (90, 120, 80)).save(file, "PNG")
    request = post("/tag", form(photo=file.getvalue()), FORM)
    with ExitStack() as stack:
        opened = [stack.enter_context(connect(service, request)) for _ in range(8)]
        while not figure(service, "waiting_requests"):
            pass
        assert all(one.fileno() >= 0 for one in opened)
    limit = time.monotonic() + 30
    while figure(service, "waiting_requests"):
        assert time.monotonic() < limit
    assert figure(service, 'stage_seconds_count{stage="embed"}') <= 2
    assert figure(service, "waiting_seconds") == 0
    assert tag(service, file.getvalue()).status_code == 200


@pytest.mark.parametrize("is_read", [True, False])
def test_answers_may_be_taken_slowly_but_not_left(patient: Any, is_read: bool) -> None:
    embeddings = np.random.default_rng(1).normal(size=(9_000, 512)).astype("<f4").tobytes()
    distances = json.dumps([None] * 9_000).encode()
    request = post("/score", form(distances=distances, embeddings=embeddings), FORM)
    name = 'requests_total{path="/score",status="200"}'

    def ask(opened: socket.socket) -> int:
        """Ask for more than the system holds of what nobody reads; give the number of answers."""
        first = figure(patient, name)
        for count in range(1, 7):
            opened.sendall(request)
            limit = time.monotonic() + (30 if is_read else 2)
            while figure(patient, name) < first + count:
                if time.monotonic() > limit:
                    return count - 1
        return 6

    def read(opened: socket.socket, pause: float) -> bytes:
        taken = b""
        with suppress(TimeoutError, ConnectionResetError):
            while part := opened.recv(1 << 17):
                taken += part
                time.sleep(pause)
        return taken

    with socket.socket() as opened, ThreadPoolExecutor(1) as threads:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        opened.settimeout(6)
        opened.connect(("127.0.0.1", patient.port))
        if is_read:
            reading = threads.submit(read, opened, 0.05)
            assert ask(opened) == 6
            assert reading.result().count(b'"stand_in"') == 6
        else:
            with suppress(ConnectionError):
                ask(opened)
            time.sleep(3)
            assert read(opened, 0).count(b'"stand_in"') < 6


def test_requests_that_do_not_wait_for_answers_are_answered_in_turn(patient: Any) -> None:
    last = HEALTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    assert everything(connect(patient, HEALTH * 2 + last)).count(b"HTTP/1.1 200") == 3
    nonsense = everything(connect(patient, HEALTH + b"\x00\x01"))
    assert nonsense.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("line", [b"GET http:// HTTP/1.1", b"CONNECT x:80 HTTP/1.1"])
def test_a_bad_address_on_a_kept_connection_is_refused(patient: Any, line: bytes) -> None:
    opened = connect(patient, b"")
    assert is_healthy(opened)
    opened.sendall(line + b"\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert b'"reason":"bad_request"' in everything(opened)


def test_blank_lines_do_not_keep_a_connection(start: Callable[..., Any]) -> None:
    opened = connect(start("--idle-timeout", "1"), b"")
    assert is_healthy(opened)
    start = time.monotonic()
    opened.sendall(b"\r\n")
    assert everything(opened) == b""
    assert time.monotonic() - start < 10
