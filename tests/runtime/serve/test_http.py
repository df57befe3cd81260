"""HTTP as clients speak it: upgrades, addresses, encodings, bodies that nobody wants."""

import base64
import http.client
import json
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from raw_connections import FORM, HEALTH, connect, everything, figure, post, tag

SMUGGLED = b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Smuggled: yes\r\n\r\n"
BODY = SMUGGLED * 3
SPLIT_STEP = int(os.environ.get("GEOGRAPH_TYPES_SPLIT_STEP", "7"))

UPGRADES = (
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQC",
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==",
    b"connection: keep-alive, upgrade\r\nUPGRADE: TLS/1.0, HTTP/2.0",
    b"Upgrade: anything",
)
FRAMES = {
    "length": (f"Content-Length: {len(BODY)}".encode(), BODY),
    "chunked": (
        b"Transfer-Encoding: chunked",
        b"%x\r\n%b\r\n%x;x=y\r\n%b\r\n0\r\nX-Trailer: GET\r\n\r\n"
        % (20, BODY[:20], len(BODY) - 20, BODY[20:]),
    ),
}


def ask(kept: socket.socket, *packets: bytes) -> tuple[int, dict[str, Any]]:
    for packet in packets:
        kept.sendall(packet)
        time.sleep(0.001 * (len(packets) - 1))
    response = http.client.HTTPResponse(kept)
    response.begin()
    return response.status, json.loads(response.read())


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("upgrade", UPGRADES, ids=["h2c", "websocket", "tls", "any"])
def test_no_byte_of_a_body_is_taken_for_a_request(service: Any, upgrade: bytes, frame: str) -> None:
    """Each answer is that to the whole body, wherever the packets were divided.

    `make acceptance` divides the head at each byte, and `make test` at every seventh.
    """
    framing, body = FRAMES[frame]
    lines = b"POST /image HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    head = lines + upgrade + b"\r\n" + framing + b"\r\n\r\n"
    name = 'requests_total{path="/health",status="200"}'
    health = figure(service, name)
    request = head + body
    end = len(head) + 30
    splits = [*range(1, end, SPLIT_STEP), *range(end, len(request), 17 * SPLIT_STEP)]
    kept = connect(service, b"")
    kept.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for packets in [(request,), *((request[:place], request[place:]) for place in splits)]:
        status, answer = ask(kept, *packets)
        assert (status, answer["reason"]) == (400, "bad_json")
    assert figure(service, name) == health
    with kept:
        assert ask(kept, HEALTH) == (200, {"status": "ok"})


def test_a_photo_with_an_offer_of_an_upgrade_is_tagged(service: Any, photo: Path) -> None:
    headers = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMA"}
    plain = tag(service, photo.read_bytes()).json()
    assert tag(service, photo.read_bytes(), headers).json() == plain


POST = b"POST /tag HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: localhost", 400),
        (b"GET /health HTTP/1.1", 400),
        (b"GET /health HTTP/1.0", 200),
        (b"GET /health HTTP/1.0\r\nHost: evil.example", 421),
        (b"\r\n\r\nGET /health HTTP/1.1\r\nHost: localhost", 200),
        (b"GET http://localhost/health HTTP/1.1\r\nHost: other", 200),
        (b"GET http://localhost HTTP/1.1\r\nHost: localhost", 200),
        (b"GET HTTP://localhost?x HTTP/1.1\r\nHost: localhost", 200),
        (b"GET http://evil.example/health HTTP/1.1\r\nHost: localhost", 421),
        (b"GET http:///health HTTP/1.1\r\nHost: localhost", 400),
        (b"GET http://[/health HTTP/1.1\r\nHost: localhost", 400),
        (b"GET ftp://localhost/health HTTP/1.1\r\nHost: localhost", 400),
        (b"OPTIONS * HTTP/1.1\r\nHost: localhost", 400),
        (b"GET /tag/ HTTP/1.1\r\nHost: localhost", 404),
        (b"POST /tag/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0", 404),
        (POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked", 400),
        (POST + b"Content-Length: -1", 400),
        (POST + b"Content-Length: 1\r\nContent-Length: 2", 400),
        (POST + b"Transfer-Encoding: gzip, chunked", 400),
    ],
)
def test_heads_of_requests(service: Any, head: bytes, status: int) -> None:
    with connect(service, head + b"\r\nConnection: close\r\n\r\n") as opened:
        opened.shutdown(socket.SHUT_WR)
        answer = everything(opened)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"evil.example" not in answer
    assert b"location" not in answer.lower()


@pytest.mark.parametrize("wait", [0, 0.5])
def test_a_client_that_sends_no_more_gets_its_answer(
    service: Any, make_jpeg: Callable[..., bytes], wait: float
) -> None:
    body = json.dumps({"image": base64.b64encode(make_jpeg(3, 5000, 4000)).decode()}).encode()
    with connect(service, post("/tag", body)) as opened:
        time.sleep(wait)
        opened.shutdown(socket.SHUT_WR)
        response = http.client.HTTPResponse(opened)
        response.begin()
        assert response.status == 200
        assert json.loads(response.read())["stand_in"]
        assert opened.recv(10) == b""


def test_a_client_that_ends_within_its_request_is_left(service: Any) -> None:
    opened = connect(service, post("/tag", b"123456789")[:-8])
    opened.shutdown(socket.SHUT_WR)
    assert everything(opened) == b""


@pytest.mark.parametrize("encoding", ["gzip", "br", "GZIP, identity"])
def test_encoded_bodies_are_refused_by_name(service: Any, encoding: str) -> None:
    headers = {"Content-Encoding": encoding, "Content-Type": "application/json"}
    response = requests.post(f"{service.url}/image", data=b"\x1f\x8b", headers=headers)
    assert (response.status_code, response.json()["reason"]) == (415, "content_encoding")
    assert response.headers["Accept-Encoding"] == "identity"
    plain = requests.post(f"{service.url}/image", json={}, headers={"Content-Encoding": "identity"})
    assert plain.json()["reason"] == "bad_request"


def test_a_body_that_was_announced_is_asked_for_unless_it_is_refused(service: Any) -> None:
    announced = post("/image", b"{}", more="Expect: 100-continue\r\n")[:-2]
    with connect(service, announced) as opened:
        assert opened.recv(1000).startswith(b"HTTP/1.1 100 ")
        opened.sendall(b"{}")
        assert opened.recv(1000).startswith(b"HTTP/1.1 400 ")
    start = time.monotonic()
    answer = everything(connect(service, announced.replace(b"/image", b"/nowhere")))
    assert answer.startswith(b"HTTP/1.1 404")
    assert b"connection: close" in answer
    assert time.monotonic() - start < 3


PART = b'Content-Disposition: form-data; name="photo"; filename="p"\r\n\r\n'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"--b\r\n", b"\r\n--b--\r\n"),
        (b"--b \t\r\n", b"\r\n--b-- \r\n"),
        (b"A preamble,\r\nwith --b and -- in it.\r\n--b\r\n", b"\r\n--b--\r\nAnd an epilogue."),
        (b"\r\n--b\r\n", b"\r\n--b--"),
        (b'--b \r\nContent-Disposition: form-data; name="other"\r\n\r\n\r\n--b \r\n', b"\r\n--b--"),
    ],
)
def test_forms_have_preambles_and_padding(
    service: Any, photo: Path, before: bytes, after: bytes
) -> None:
    form = before + PART + photo.read_bytes() + after
    answer = requests.post(f"{service.url}/tag", data=form, headers={"Content-Type": FORM})
    assert answer.json() == tag(service, photo.read_bytes()).json()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda text: text, None),
        (lambda text: text[:50] + "\r\n \t" + text[50:] + "\n", None),
        (lambda text: f"data:image/jpeg;base64,{text}", None),
        (lambda text: f"data:;BASE64,{text}", None),
        (lambda text: text.replace("+", "-").replace("/", "_"), None),
        (lambda text: text.replace("+", "-").replace("/", "_").rstrip("="), None),
        (lambda text: text[:40] + "[...]" + text[40:], "character 41 is '['"),
        (lambda text: text[:40] + "####" + text[40:], "character 41 is '#'"),
        (lambda text: text[:40] + "\u00a0" + text[40:], "character 41 is"),
        (lambda text: text[:40] + "=" + text[40:], "iscontinuous padding"),
        (lambda text: text[:40] + "====" + text[40:], "adding not allowed"),
        (lambda text: text + "AAAA", "xcess"),
        (lambda text: text.rstrip("="), "adding"),
        (lambda text: text[:-3], "1 more than a multiple of 4"),
        (lambda text: "-" + text[1:], "mixes"),
        (lambda text: f"data:image/jpeg,{text}", "';base64,'"),
        (lambda text: f"data:image/jpeg;base64{text}", "';base64,'"),
        (lambda text: "data:image/jpeg;base64,[]" + text, "character 24 is '['"),
        (lambda _: " \n", "no bytes"),
    ],
)
def test_base64_is_strict_where_it_counts(
    service: Any,
    make_jpeg: Callable[..., bytes],
    change: Callable[[str], str],
    problem: str | None,
) -> None:
    photo = make_jpeg()
    photo += bytes(2 - len(photo) % 3)  # so that its base64 ends with padding
    image = change(base64.b64encode(photo).decode())
    response = requests.post(f"{service.url}/tag", json={"image": image})
    if problem is None:
        assert response.json() == tag(service, photo).json()
    else:
        assert (response.status_code, response.json()["reason"]) == (400, "bad_base64")
        assert problem in response.json()["detail"]


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 on this system")
def test_all_addresses_include_those_of_ipv4(start: Callable[..., Any]) -> None:
    service = start("--host", "::", "--no-auth")
    for host in ("127.0.0.1", "[::1]"):
        assert requests.get(f"http://{host}:{service.port}/health").status_code == 200
