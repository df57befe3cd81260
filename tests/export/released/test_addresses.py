"""Addresses of heads: mirrors, proxies, what is none, and what no message may give away."""

from pathlib import Path

import pytest
from head_server import CONTENT, NAME, QUICK, Server, redirecting, sending, source_at

from geograph_types.errors import InputError
from geograph_types_export.errors import DigestError, DownloadError
from geograph_types_export.released import (
    GEOGRAPH,
    MIRROR_VARIABLE,
    Source,
    fetch_head,
    released_source,
)


def test_a_proxy_is_asked_where_the_environment_names_one(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.address)
    path = fetch_head("v1", source_at("http://mirror.invalid/heads"), tmp_path, QUICK)
    assert path.read_bytes() == CONTENT
    assert server.seen == [(f"http://mirror.invalid/heads/{NAME}", None)]


def test_without_a_network_the_error_says_what_to_put_where(
    closed_port: str, tmp_path: Path
) -> None:
    with pytest.raises(DownloadError, match="refused") as caught:
        fetch_head("v1", source_at(closed_port), tmp_path, QUICK)
    for part in (NAME, f"{closed_port}/{NAME}", f"copy it into {tmp_path}"):
        assert part in str(caught.value)


def test_the_mirror_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert released_source() == GEOGRAPH
    monkeypatch.setenv("GEOGRAPH_TYPES_MIRROR", "https://mirror.example/heads/")
    mirrored = released_source()
    assert mirrored.heads == GEOGRAPH.heads
    url = "https://mirror.example/heads/best_geograph_model_v2.3.pth"
    assert mirrored.url(mirrored.heads["v2.3"]) == url


@pytest.mark.parametrize(
    "address",
    [
        *(
            "",
            "mirror",
            "mirror:80/x",
            "ftp://host/x",
            "file:///x",
            "http://",
            "//[",
            "htps://host",
        ),
        *("http://host:99999/x", "http://host:0/x", "http://host:port/x"),
    ],
)
def test_what_is_no_address_is_refused_with_one_that_is(address: str) -> None:
    with pytest.raises(InputError, match=f"like https://mirror.example/heads .*{MIRROR_VARIABLE}"):
        source_at(address)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("htps://me:secret@mirror/x", "htps://mirror/x"),
        ("http://me:secret@mirror:99999/x", "http://mirror:99999/x"),
        ("http://me:sec/secret@mirror/x", "http://mirror/x"),
        ("http://me:sec?secret@mirror/x", "http://mirror/x"),
        ("me:secret@mirror/x", "mirror/x"),
    ],
)
def test_a_password_in_what_is_no_address_is_in_no_message(address: str, shown: str) -> None:
    with pytest.raises(InputError) as caught:
        source_at(address)
    assert "secret" not in str(caught.value)
    assert repr(shown) in str(caught.value)


def test_a_password_in_the_address_is_in_no_message(closed_port: str, tmp_path: Path) -> None:
    address = closed_port.replace("//", "//me:secret@")
    with pytest.raises(DownloadError) as caught:
        fetch_head("v1", source_at(address), tmp_path, QUICK)
    assert "secret" not in str(caught.value)
    assert f"{closed_port}/{NAME}" in str(caught.value)


def test_a_password_in_the_address_of_a_mirror_that_lies_is_in_no_message(
    server: Server, tmp_path: Path
) -> None:
    server.answers = [sending(CONTENT[:-1])]
    address = server.address.replace("//", "//me:secret@")
    with pytest.raises(DigestError) as caught:
        fetch_head("v1", source_at(address), tmp_path, QUICK)
    assert "secret" not in str(caught.value)
    assert f"{server.address}/{NAME}" in str(caught.value)


def test_a_password_where_a_redirect_leads_is_in_no_message(
    server: Server, source: Source, tmp_path: Path
) -> None:
    server.answers = [redirecting("htps://me:secret@mirror/heads@v2/x")]
    with pytest.raises(DownloadError, match="htps://mirror/heads@v2/x") as caught:
        fetch_head("v1", source, tmp_path, QUICK)
    assert "secret" not in str(caught.value)
    assert len(server.seen) == 1


@pytest.mark.parametrize("proxy", ["http://me:secret@proxy:99999", "htps://me:secret@proxy"])
def test_a_password_of_a_proxy_is_in_no_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    with pytest.raises(DownloadError, match=r"proxy:99999|scheme htps") as caught:
        fetch_head("v1", source_at("http://mirror.invalid/heads"), tmp_path, QUICK)
    assert "secret" not in str(caught.value)
