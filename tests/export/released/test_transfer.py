"""A released head from a server that cuts off, refuses and lies."""

import gzip
import hashlib
from pathlib import Path

import pytest
from head_server import (
    CONTENT,
    DIGEST,
    HALF,
    NAME,
    QUICK,
    Request,
    Server,
    cut_off,
    endless,
    honest,
    names,
    redirecting,
    refusing,
    sending,
    whole_whatever_is_asked,
)

from geograph_types.errors import InputError
from geograph_types_export.download import Limits
from geograph_types_export.errors import DigestError, DownloadError
from geograph_types_export.released import Source, fetch_head


def test_a_head_is_fetched_once(server: Server, source: Source, tmp_path: Path) -> None:
    for _ in range(2):
        path = fetch_head("v1", source, tmp_path / "new" / "cache", QUICK)
        assert path.read_bytes() == CONTENT
    assert server.seen == [(f"/{NAME}", None)]
    assert names(path.parent) == {NAME}


def test_a_transfer_that_breaks_off_goes_on_where_it_stopped(
    server: Server, source: Source, tmp_path: Path
) -> None:
    server.answers = [cut_off, honest]
    assert fetch_head("v1", source, tmp_path, QUICK).read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={HALF}-"]


def test_the_next_run_goes_on_where_the_last_one_stopped(
    server: Server, source: Source, tmp_path: Path
) -> None:
    server.answers = [cut_off, refusing(503)]
    with pytest.raises(DownloadError, match="503"):
        fetch_head("v1", source, tmp_path, QUICK)
    assert names(tmp_path) == {f"{NAME}.part"}
    server.answers = [honest]
    assert fetch_head("v1", source, tmp_path, QUICK).read_bytes() == CONTENT
    assert server.ranges == [None, *[f"bytes={HALF}-"] * QUICK.tries]
    assert names(tmp_path) == {NAME}


def test_a_server_that_knows_no_ranges_is_understood(
    server: Server, source: Source, tmp_path: Path
) -> None:
    server.answers = [cut_off, whole_whatever_is_asked]
    assert fetch_head("v1", source, tmp_path, QUICK).read_bytes() == CONTENT
    assert len(server.seen) == 2


def test_another_part_than_was_asked_for_is_not_taken(
    server: Server, source: Source, tmp_path: Path
) -> None:
    def other_part(request: Request) -> None:
        request.start(206, Content_Range=f"bytes 0-{len(CONTENT) - 1}/*", Content_Length=9)
        request.wfile.write(CONTENT[:9])

    server.answers = [cut_off, other_part, honest]
    assert fetch_head("v1", source, tmp_path, QUICK).read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={HALF}-", None]


@pytest.mark.parametrize(
    ("left", "ranges"),
    [
        (CONTENT, [f"bytes={len(CONTENT)}-"]),
        (CONTENT + b"more", [f"bytes={len(CONTENT) + 4}-", None]),
        (bytes(HALF), [f"bytes={HALF}-", None]),
        (b"", [None]),
    ],
    ids=["complete", "too long", "of another file", "empty"],
)
def test_whatever_an_earlier_run_left_the_file_is_right(
    server: Server, source: Source, tmp_path: Path, left: bytes, ranges: list[str | None]
) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(left)
    assert fetch_head("v1", source, tmp_path, QUICK).read_bytes() == CONTENT
    assert server.ranges == ranges
    assert names(tmp_path) == {NAME}


def test_a_lie_is_told_from_the_file_and_not_kept(
    server: Server, source: Source, tmp_path: Path
) -> None:
    lie = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    server.answers = [sending(lie)]
    with pytest.raises(DigestError) as caught:
        fetch_head("v1", source, tmp_path, QUICK)
    error = caught.value
    assert error.got == hashlib.sha256(lie).hexdigest()
    assert error.expected == DIGEST
    assert error.url == f"{server.address}/{NAME}"
    for part in (error.got, error.expected, error.url, str(tmp_path)):
        assert part in str(error)
    assert len(server.seen) == 1
    assert names(tmp_path) == set()


def test_parts_of_two_files_never_make_one(server: Server, source: Source, tmp_path: Path) -> None:
    server.answers = [cut_off, sending(bytes(len(CONTENT))), sending(bytes(len(CONTENT)))]
    with pytest.raises(DigestError):
        fetch_head("v1", source, tmp_path, QUICK)
    assert server.ranges == [None, f"bytes={HALF}-", None]
    assert names(tmp_path) == set()


@pytest.mark.parametrize(("status", "requests"), [(404, 1), (403, 1), (500, 3), (429, 3)])
def test_a_refusal_is_tried_again_where_that_may_help(
    server: Server, source: Source, tmp_path: Path, status: int, requests: int
) -> None:
    server.answers = [refusing(status)]
    with pytest.raises(DownloadError, match=f"it answered {status}") as caught:
        fetch_head("v1", source, tmp_path, QUICK)
    assert caught.value.file == tmp_path / NAME
    assert len(server.seen) == requests


def test_a_server_that_comes_back_is_good(server: Server, source: Source, tmp_path: Path) -> None:
    server.answers = [refusing(500), refusing(503), honest]
    assert fetch_head("v1", source, tmp_path, QUICK).read_bytes() == CONTENT


def test_a_server_that_compresses_unasked_is_understood(
    server: Server, source: Source, tmp_path: Path
) -> None:
    compressed = gzip.compress(CONTENT)

    def unasked(request: Request) -> None:
        assert request.headers["Accept-Encoding"] == "identity"
        start, status = (0, 200) if request.range is None else (HALF, 206)
        given: dict[str, object] = {"Content_Encoding": "gzip"}
        if start:
            given["Content_Range"] = f"bytes {start}-{len(compressed) - 1}/{len(compressed)}"
        request.start(status, Content_Length=len(compressed) - start, **given)
        request.wfile.write(compressed[start:])

    server.answers = [cut_off, unasked]
    assert fetch_head("v1", source, tmp_path, QUICK).read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={HALF}-", None]


def test_a_redirect_is_followed_and_the_range_with_it(
    server: Server, source: Source, tmp_path: Path
) -> None:
    server.answers = [redirecting("/there"), cut_off, redirecting("/there"), honest]
    assert fetch_head("v1", source, tmp_path, QUICK).read_bytes() == CONTENT
    rest = f"bytes={HALF}-"
    there = "/there"
    assert server.seen == [(f"/{NAME}", None), (there, None), (f"/{NAME}", rest), (there, rest)]


@pytest.mark.parametrize(
    "location", ["/head.pth", "file:///etc/hostname", "ftp://127.0.0.1/x", "http://[/"]
)
def test_a_redirect_that_leads_nowhere_ends(
    server: Server, source: Source, tmp_path: Path, location: str
) -> None:
    server.answers = [redirecting(location)]
    with pytest.raises(DownloadError, match=r"TooManyRedirects|InvalidSchema|ValueError"):
        fetch_head("v1", source, tmp_path, QUICK)


def test_a_redirect_with_an_endless_body_is_not_read(
    server: Server, source: Source, tmp_path: Path
) -> None:
    def endless_redirect(request: Request) -> None:
        request.start(302, Location="/there")
        while True:
            request.wfile.write(bytes(10_000))

    server.answers = [endless_redirect, honest]
    assert fetch_head("v1", source, tmp_path, QUICK).read_bytes() == CONTENT


@pytest.mark.parametrize("length", [str(QUICK.size + 1), "9" * 17, "9" * 30, "9" * 5000])
def test_a_huge_size_is_refused(
    server: Server, source: Source, tmp_path: Path, length: str
) -> None:
    def boast(request: Request) -> None:
        request.start(200, Content_Length=length)
        request.wfile.write(bytes(QUICK.size + 2))

    server.answers = [boast]
    with pytest.raises(DownloadError, match=f"more than {QUICK.size} bytes"):
        fetch_head("v1", source, tmp_path, QUICK)
    assert names(tmp_path) == set()


def test_an_endless_file_is_given_up(server: Server, source: Source, tmp_path: Path) -> None:
    server.answers = [endless]
    with pytest.raises(DownloadError, match=f"it sends more than {QUICK.size} bytes"):
        fetch_head("v1", source, tmp_path, QUICK)
    assert names(tmp_path) == set()
    assert len(server.seen) == 1


@pytest.mark.parametrize("length", ["-5", "nonsense", ""])
def test_a_length_that_is_none_does_no_harm(
    server: Server, source: Source, tmp_path: Path, length: str
) -> None:
    def odd(request: Request) -> None:
        request.start(200, Content_Length=length)
        request.wfile.write(CONTENT)

    server.answers = [odd, whole_whatever_is_asked]
    assert fetch_head("v1", source, tmp_path, QUICK).read_bytes() == CONTENT


def test_limits_that_let_nothing_through_are_refused() -> None:
    with pytest.raises(InputError, match="lets no download through"):
        Limits(size=1, tries=0)
