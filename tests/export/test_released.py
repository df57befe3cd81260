"""Released heads from a server on loopback that cuts off, dawdles, refuses and lies."""

import hashlib
import http.server
import itertools
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from geograph_types.errors import InputError
from geograph_types_export import released
from geograph_types_export.download import Limits
from geograph_types_export.errors import DigestError, DownloadError
from geograph_types_export.released import (
    GEOGRAPH,
    ReleasedHead,
    Source,
    cache_folder,
    fetch_head,
    released_source,
)

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


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GEOGRAPH_TYPES_CACHE", "GEOGRAPH_TYPES_MIRROR", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def source(server: Server) -> Source:
    return source_at(server.address)


@pytest.fixture
def closed_port() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


def source_at(address: str) -> Source:
    return Source(address, {"v1": ReleasedHead(NAME, DIGEST)})


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".lock"}


def test_a_head_is_fetched_once(server: Server, source: Source, tmp_path: Path) -> None:
    for _ in range(2):
        path = fetch_head("v1", source, tmp_path / "new" / "cache", QUICK)
        assert path.read_bytes() == CONTENT
    assert server.seen == [(f"/{NAME}", None)]
    assert names(path.parent) == {NAME}


def test_a_file_that_was_copied_into_the_cache_needs_no_network(
    closed_port: str, tmp_path: Path
) -> None:
    (tmp_path / NAME).write_bytes(CONTENT)
    assert fetch_head("v1", source_at(closed_port), tmp_path, QUICK) == tmp_path / NAME
    assert {path.name for path in tmp_path.iterdir()} == {NAME}


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


def test_a_server_that_falls_silent_is_left_and_its_bytes_are_kept(
    server: Server, source: Source, tmp_path: Path
) -> None:
    over = threading.Event()

    def silent(request: Request) -> None:
        cut_off(request)
        over.wait(30)

    server.answers = [silent, honest]
    limits = Limits(size=100_000, silent_seconds=0.2, tries=2, pause_seconds=0.0)
    try:
        assert fetch_head("v1", source, tmp_path, limits).read_bytes() == CONTENT
    finally:
        over.set()
    kept = int((server.ranges[1] or "").removeprefix("bytes=").removesuffix("-"))
    assert HALF - 1024 <= kept <= HALF


def test_a_server_that_dawdles_is_left_in_the_end(
    server: Server, source: Source, tmp_path: Path
) -> None:
    def dawdling(request: Request) -> None:
        request.start(200, Content_Length=len(CONTENT))
        for start in itertools.count(0, 1024):
            request.wfile.write(CONTENT[start : start + 1024])
            time.sleep(0.05)

    server.answers = [dawdling]
    limits = Limits(size=100_000, total_seconds=0.3)
    with pytest.raises(DownloadError, match="the next run goes on there"):
        fetch_head("v1", source, tmp_path, limits)
    kept = (tmp_path / f"{NAME}.part").read_bytes()
    assert kept
    assert CONTENT.startswith(kept)


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


def test_a_wrong_file_in_the_cache_is_named_and_stays_until_there_is_a_right_one(
    server: Server, closed_port: str, tmp_path: Path
) -> None:
    (tmp_path / NAME).write_bytes(b"not a head")
    with pytest.raises(DownloadError, match="lies in the cache has another digest"):
        fetch_head("v1", source_at(closed_port), tmp_path, QUICK)
    assert (tmp_path / NAME).read_bytes() == b"not a head"
    assert fetch_head("v1", source_at(server.address), tmp_path, QUICK).read_bytes() == CONTENT


def test_a_password_in_the_address_is_in_no_message(closed_port: str, tmp_path: Path) -> None:
    address = closed_port.replace("//", "//me:secret@")
    with pytest.raises(DownloadError) as caught:
        fetch_head("v1", source_at(address), tmp_path, QUICK)
    assert "secret" not in str(caught.value)
    assert f"{closed_port}/{NAME}" in str(caught.value)


def test_of_several_at_once_one_downloads(server: Server, source: Source, tmp_path: Path) -> None:
    def slowly(request: Request) -> None:
        time.sleep(0.3)
        honest(request)

    server.answers = [slowly]
    paths: list[Path] = []

    def fetch() -> None:
        paths.append(fetch_head("v1", source, tmp_path, QUICK))

    threads = [threading.Thread(target=fetch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert paths == [tmp_path / NAME] * 4
    assert len(server.seen) == 1


def test_a_cache_that_cannot_be_written_is_an_error_of_the_system(
    source: Source, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        fetch_head("v1", source, tmp_path / "file", QUICK)


def test_an_unknown_name_is_answered_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there are v1, v2, v2\.1, v2\.3"):
        fetch_head("v9", GEOGRAPH, tmp_path, QUICK)


def test_cache_and_mirror_follow_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "of-the-user"))
    assert cache_folder().name == "geograph-types"
    assert released_source() == GEOGRAPH
    monkeypatch.setenv("GEOGRAPH_TYPES_CACHE", str(tmp_path))
    monkeypatch.setenv("GEOGRAPH_TYPES_MIRROR", "https://mirror.example/heads/")
    assert cache_folder() == tmp_path
    mirrored = released_source()
    assert mirrored.heads == GEOGRAPH.heads
    url = "https://mirror.example/heads/best_geograph_model_v2.3.pth"
    assert mirrored.url(mirrored.heads["v2.3"]) == url


@pytest.mark.parametrize("address", ["", "mirror", "ftp://host/x", "file:///x", "http://", "//["])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(InputError, match=released.MIRROR_VARIABLE):
        source_at(address)


@pytest.mark.parametrize(
    ("file", "sha256"), [("../x.pth", DIGEST), ("", DIGEST), ("x.pth", "0"), ("x.pth", "Z" * 64)]
)
def test_a_pin_that_could_do_harm_is_refused(file: str, sha256: str) -> None:
    with pytest.raises(InputError, match="is no released head"):
        ReleasedHead(file, sha256)


def test_limits_that_let_nothing_through_are_refused() -> None:
    with pytest.raises(InputError, match="lets no download through"):
        Limits(size=1, tries=0)


def test_the_pins_are_the_published_digests(reference: Path) -> None:
    published = (reference / "released-heads.sha256").read_text().splitlines()
    assert [f"{head.sha256}  {head.file}" for head in GEOGRAPH.heads.values()] == published
