"""A download has its time, and no server makes it take more."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
    honest,
    refusing,
    trickling,
)

from geograph_types_export.download import Limits
from geograph_types_export.errors import DownloadError
from geograph_types_export.released import Source, fetch_head

SHORT = Limits(size=100_000, silent_seconds=5.0, total_seconds=0.3, tries=3, pause_seconds=0.0)
MUCH_LESS_THAN_THE_SERVER_TAKES = 4.0

OK = b"HTTP/1.1 200 OK\r\n"
HEAD = OK + b"X-Padding: "
BODY = OK + b"Content-Length: %d\r\n\r\n" % len(CONTENT)
CHUNK_LENGTH = OK + b"Transfer-Encoding: chunked\r\n\r\n1;"
REDIRECT = b"HTTP/1.1 302 Found\r\nLocation: /there\r\nX-Padding: "

FETCH = """
import sys
from pathlib import Path
from geograph_types_export.download import Limits
from geograph_types_export.released import ReleasedHead, Source, fetch_head
address, name, sha256, cache = sys.argv[1:]
limits = Limits(size=100_000, total_seconds=0.3)
fetch_head("v1", Source(address, {"v1": ReleasedHead(name, sha256)}), Path(cache), limits)
"""


@contextmanager
def soon() -> Iterator[None]:
    start = time.monotonic()
    yield
    assert time.monotonic() - start < MUCH_LESS_THAN_THE_SERVER_TAKES


def is_left(server: Server) -> bool:
    """Give whether somebody leaves before the server has sent all that it would."""
    limit = time.monotonic() + MUCH_LESS_THAN_THE_SERVER_TAKES
    while not server.left_early and time.monotonic() < limit:
        time.sleep(0.02)
    return bool(server.left_early)


def test_a_server_that_falls_silent_is_left_and_its_bytes_are_kept(
    server: Server, source: Source, tmp_path: Path
) -> None:
    def silent(request: Request) -> None:
        cut_off(request)
        request.server.over.wait(30)

    server.answers = [silent, honest]
    limits = Limits(size=100_000, silent_seconds=0.2, tries=2, pause_seconds=0.0)
    assert fetch_head("v1", source, tmp_path, limits).read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={HALF}-"]


def test_a_file_that_trickles_in_is_left_in_the_end_and_its_bytes_are_kept(
    server: Server, source: Source, tmp_path: Path
) -> None:
    server.answers = [trickling(BODY, CONTENT)]
    with (
        soon(),
        pytest.raises(DownloadError, match=r"within 0\.3 s; they are kept, and the next run"),
    ):
        fetch_head("v1", source, tmp_path, SHORT)
    kept = (tmp_path / f"{NAME}.part").read_bytes()
    assert kept
    assert CONTENT.startswith(kept)
    server.answers = [honest]
    assert fetch_head("v1", source, tmp_path, QUICK).read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={len(kept)}-"]


@pytest.mark.parametrize(
    "beginning", [b"", HEAD, CHUNK_LENGTH, REDIRECT], ids=["status", "head", "chunk", "redirect"]
)
def test_whatever_else_trickles_in_is_left_in_the_end(
    server: Server, source: Source, tmp_path: Path, beginning: bytes
) -> None:
    server.answers = [trickling(beginning, bytes(500))]
    with soon(), pytest.raises(DownloadError, match=r"nothing of the file came within 0\.3 s"):
        fetch_head("v1", source, tmp_path, SHORT)
    assert len(server.seen) == 1


def test_a_server_that_was_left_is_no_longer_read(
    server: Server, source: Source, tmp_path: Path
) -> None:
    server.answers = [trickling(BODY, CONTENT)]
    with pytest.raises(DownloadError, match="are kept"):
        fetch_head("v1", source, tmp_path, SHORT)
    kept = (tmp_path / f"{NAME}.part").read_bytes()
    assert is_left(server)
    assert (tmp_path / f"{NAME}.part").read_bytes() == kept


def test_all_tries_share_the_time(server: Server, source: Source, tmp_path: Path) -> None:
    def silent(request: Request) -> None:
        request.server.over.wait(30)

    server.answers = [silent]
    limits = Limits(
        size=100_000, silent_seconds=0.05, total_seconds=0.5, tries=1000, pause_seconds=0.0
    )
    with soon(), pytest.raises(DownloadError, match=r"0\.5 s"):
        fetch_head("v1", source, tmp_path, limits)
    assert len(server.seen) > 1


def test_a_pause_that_would_take_longer_is_not_made(
    server: Server, source: Source, tmp_path: Path
) -> None:
    server.answers = [refusing(503)]
    limits = Limits(size=100_000, total_seconds=5.0, pause_seconds=5.0)
    with soon(), pytest.raises(DownloadError, match=r"503.*5 s leave no time to try again"):
        fetch_head("v1", source, tmp_path, limits)
    assert len(server.seen) == 1


def test_a_process_ends_although_the_server_goes_on(server: Server, tmp_path: Path) -> None:
    server.answers = [trickling(HEAD, bytes(500))]
    done = subprocess.run(
        [sys.executable, "-c", FETCH, server.address, NAME, DIGEST, str(tmp_path)],
        capture_output=True,
        text=True,
    )
    last = done.stderr.splitlines()[-1]
    assert last.startswith("geograph_types_export.errors.DownloadError: ")
    assert is_left(server)
