"""Whom the service answers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from raw_connections import tag

TOKEN = "a-token-of-some-length"


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (None, 401),
        ("Bearer", 401),
        ("Bearer a-token-of-some-lengtH", 401),
        (f"Basic {TOKEN}", 401),
        (f"Bearer {TOKEN}", 200),
        (f"bearer {TOKEN}", 200),
    ],
)
def test_work_needs_the_token(guarded: Any, photo: Path, header: str | None, status: int) -> None:
    headers = {"Authorization": header} if header else {}
    response = tag(guarded, photo.read_bytes(), headers)
    assert response.status_code == status
    if status == 401:
        assert response.headers["WWW-Authenticate"] == "Bearer"
        assert response.json()["reason"] == "no_token"
    paths = dict.fromkeys(("/", "/health", "/ready", "/docs", "/openapi.json"), 200)
    for path, expected in {**paths, "/metrics": status}.items():
        assert requests.get(guarded.url + path, headers=headers).status_code == expected


def test_the_description_says_what_needs_the_token(guarded: Any) -> None:
    paths = requests.get(f"{guarded.url}/openapi.json").json()["paths"]
    guards = {path: operation[min(operation)].get("security") for path, operation in paths.items()}
    needed = {path for path, guard in guards.items() if guard == [{"token": []}, {}]}
    assert needed == {"/image", "/tag", "/score", "/metrics"}


def test_a_connection_ends_with_a_request_that_was_refused_unread(
    guarded: Any, photo: Path
) -> None:
    with requests.Session() as session:
        kept = session.get(f"{guarded.url}/metrics")
        ended = session.post(f"{guarded.url}/tag", files={"photo": photo.read_bytes()})
        again = session.get(f"{guarded.url}/health")
    assert (kept.status_code, ended.status_code, again.status_code) == (401, 401, 200)
    assert "close" not in kept.headers.get("Connection", "")
    assert ended.headers["Connection"] == "close"


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        (["--host", "0.0.0.0"], "--token-file"),
        (["--host", "192.0.2.1"], "--no-auth"),
        (["--host", "::"], "can be reached from other machines"),
        (["--host", "example.org"], "can be reached from other machines"),
        (["--host", "127.0.0.1.example.org"], "can be reached from other machines"),
        (["--host", "203.0.113.9", "--no-auth"], "203.0.113.9 --port 8000 is unavailable"),
        (["--allow-host", "example.org:8443"], "'example.org:8443' is not a host name"),
        (["--allow-host", "https://example.org"], "without scheme, port and path"),
        (["--allow-host", ""], "as example.org"),
        (["--token-file", "no-such-file"], "does not exist"),
        (["--queue-seconds", "31"], "31.0 is not in the range"),
        *(
            ([option, value], option)
            for value in ("nan", "inf")
            for option in (
                "--body-limit",
                "--idle-unload",
                "--memory-limit",
                "--queue-seconds",
                "--receive-timeout",
            )
        ),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(
    refusal: Callable[..., str], options: list[str], advice: str
) -> None:
    assert advice in refusal(*options)


@pytest.mark.parametrize(
    ("content", "options", "advice"),
    [
        (b"short\n", [], "16 characters"),
        (b"", [], "16 characters"),
        (b"x" * 20, ["--no-auth"], "leave out"),
        (b"\xc3\xbc" * 20, [], "ASCII"),
        (b"x" * 20 + b"\n" + b"y" * 20, [], "one line"),
    ],
)
def test_a_token_that_cannot_be_used_is_refused(
    refusal: Callable[..., str], tmp_path: Path, content: bytes, options: list[str], advice: str
) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    said = refusal("--token-file", str(file), *options)
    assert advice in said
    assert "xxxx" not in said


def test_what_cannot_be_served_ends_the_command(
    service: Any, refusal: Callable[..., str], head_bundle: Path, tmp_path: Path
) -> None:
    for bundle in (head_bundle, tmp_path):
        assert "error: bundle " in refusal("--port", "0", bundle=bundle)
    problem = f"--port {service.port} is unavailable (Address already in use)"
    assert problem in refusal("--port", str(service.port))


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"Host": "evil.example"}, "foreign_host"),
        ({"Host": "evil.example:8000"}, "foreign_host"),
        ({"Host": "127.0.0.1.evil.example"}, "foreign_host"),
        ({"Host": "["}, "foreign_host"),
        ({"Origin": "https://evil.example"}, "foreign_origin"),
        ({"Origin": "null"}, "foreign_origin"),
        ({"Sec-Fetch-Site": "cross-site"}, "foreign_origin"),
        ({"Origin": "OWN", "Sec-Fetch-Site": "same-origin"}, None),
    ],
)
def test_pages_of_other_sites_are_not_answered(
    service: Any, photo: Path, headers: dict[str, str], reason: str | None
) -> None:
    own = {name: value.replace("OWN", service.url) for name, value in headers.items()}
    response = tag(service, photo.read_bytes(), own)
    assert response.json().get("reason") == reason
    assert "Access-Control-Allow-Origin" not in response.headers


def test_names_that_are_allowed_are_answered_at_any_port(start: Callable[..., Any]) -> None:
    names = ["--allow-host", "Photos.example", "--allow-host", "[2001:db8::1]"]
    proxied = start(*names)
    known = ["photos.example", "PHOTOS.example:8443", "[2001:db8::1]:80", "127.0.0.1", "127.9.9.9"]
    for host in [*known, "[::1]:8000", "LocalHost", "other.example", "0.0.0.0", "10.0.0.1"]:
        response = requests.get(f"{proxied.url}/health", headers={"Host": host})
        foreign = host in ("other.example", "0.0.0.0", "10.0.0.1")
        assert response.status_code == (421 if foreign else 200), host
