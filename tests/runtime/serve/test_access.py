"""Whom the service answers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from geograph_types.cli.main import main
from geograph_types.system.hosts import is_loopback

TOKEN = "a-token-of-some-length"


@pytest.fixture(scope="module")
def proxied(start_service: Callable[..., Any], tiny_bundle: Path) -> Any:
    names = ["--allow-host", "Photos.example", "--allow-host", "[2001:db8::1]"]
    return start_service(tiny_bundle, *names)


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
    files = {"photo": photo.read_bytes()}
    response = requests.post(f"{guarded.url}/tag", files=files, headers=headers)
    assert response.status_code == status
    if status == 401:
        assert response.headers["WWW-Authenticate"] == "Bearer"
        assert response.json()["reason"] == "no_token"
    assert requests.get(f"{guarded.url}/metrics", headers=headers).status_code == status
    for path in ("/", "/health", "/ready", "/docs", "/openapi.json"):
        assert requests.get(guarded.url + path, headers=headers).status_code == 200


def test_the_description_says_what_needs_the_token(guarded: Any) -> None:
    paths = requests.get(f"{guarded.url}/openapi.json").json()["paths"]
    guards = {path: operation[min(operation)].get("security") for path, operation in paths.items()}
    needed = {path for path, guard in guards.items() if guard}
    assert needed == {"/image", "/tag", "/score", "/metrics"}
    assert all(guards[path] == [{"token": []}, {}] for path in needed)


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
        (["--allow-host", "example.org:8443"], "'example.org:8443' is not a host name"),
        (["--allow-host", "https://example.org"], "without scheme, port and path"),
        (["--allow-host", ""], "as example.org"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(
    tiny_bundle: Path, capsys: pytest.CaptureFixture[str], options: list[str], advice: str
) -> None:
    assert main(["serve", "--bundle", str(tiny_bundle), *options]) == 2
    assert advice in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "options", "advice"),
    [
        (b"short\n", [], "16 characters"),
        (b"", [], "16 characters"),
        (b"x" * 20, ["--no-auth"], "leave out"),
        ("\u00fc".encode() * 20, [], "ASCII"),
        (b"\xff" * 20, [], "ASCII"),
        (b"x" * 20 + b"\n" + b"y" * 20, [], "one line"),
        (None, [], "does not exist"),
    ],
)
def test_a_token_that_cannot_be_used_is_refused(
    tiny_bundle: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    content: bytes | None,
    options: list[str],
    advice: str,
) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    assert main(["serve", "--bundle", str(tiny_bundle), "--token-file", str(file), *options]) == 2
    assert advice in capsys.readouterr().err


@pytest.mark.parametrize("value", ["nan", "inf"])
@pytest.mark.parametrize(
    "option",
    ["--body-limit", "--memory-limit", "--receive-timeout", "--idle-unload", "--queue-seconds"],
)
def test_limits_are_finite(
    tiny_bundle: Path, capsys: pytest.CaptureFixture[str], option: str, value: str
) -> None:
    assert main(["serve", "--bundle", str(tiny_bundle), option, value]) == 2
    assert option in capsys.readouterr().err


@pytest.mark.parametrize("bundle", ["head_bundle", "nowhere"])
def test_a_bundle_that_cannot_be_served_ends_the_command(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    bundle: str,
) -> None:
    folder = tmp_path if bundle == "nowhere" else request.getfixturevalue(bundle)
    assert main(["serve", "--bundle", str(folder), "--port", "0"]) == 2
    assert "error: bundle " in capsys.readouterr().err


def test_an_unavailable_address_is_named(
    service: Any, tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = str(service.port)
    for options, problem in (
        (["--port", port], f"--port {port} is unavailable (Address already in use)"),
        (["--host", "203.0.113.9", "--no-auth"], "--host 203.0.113.9 --port 8000 is unavailable"),
    ):
        assert main(["serve", "--bundle", str(tiny_bundle), *options]) == 2
        assert problem in capsys.readouterr().err


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
    ],
)
def test_pages_of_other_sites_are_not_answered(
    service: Any, photo: Path, headers: dict[str, str], reason: str
) -> None:
    files = {"photo": photo.read_bytes()}
    response = requests.post(f"{service.url}/tag", files=files, headers=headers)
    assert response.json()["reason"] == reason
    assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("photos.example", 200),
        ("PHOTOS.example:8443", 200),
        ("[2001:db8::1]:80", 200),
        ("127.0.0.1", 200),
        ("other.example", 421),
    ],
)
def test_names_that_are_allowed_are_answered_at_any_port(
    proxied: Any, host: str, status: int
) -> None:
    response = requests.get(f"{proxied.url}/health", headers={"Host": host})
    assert response.status_code == status


def test_the_page_of_the_service_is_answered(service: Any, photo: Path) -> None:
    headers = {"Origin": service.url, "Sec-Fetch-Site": "same-origin"}
    files = {"photo": photo.read_bytes()}
    assert requests.post(f"{service.url}/tag", files=files, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("[::1]", True),
        ("LocalHost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("example.org", False),
    ],
)
def test_addresses_of_this_machine(host: str, local: bool) -> None:
    assert is_loopback(host) is local
