"""The folder in which released heads are kept, and what becomes of one that is not to be had."""

import fcntl
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from head_server import CONTENT, DIGEST, NAME, QUICK, Request, Server, honest, source_at

from geograph_types.errors import InputError
from geograph_types_export.download import Limits
from geograph_types_export.errors import CacheError, DownloadError
from geograph_types_export.released import (
    GEOGRAPH,
    ReleasedHead,
    Source,
    cache_folder,
    fetch_head,
)

NO_HOME = """
import os
from geograph_types_export.errors import CacheError
from geograph_types_export.released import cache_folder
os.setuid(54321)
try:
    cache_folder()
except CacheError as error:
    print(error)
"""


def test_a_file_that_was_copied_into_the_cache_needs_no_network(
    closed_port: str, tmp_path: Path
) -> None:
    (tmp_path / NAME).write_bytes(CONTENT)
    assert fetch_head("v1", source_at(closed_port), tmp_path, QUICK) == tmp_path / NAME
    assert {path.name for path in tmp_path.iterdir()} == {NAME}


def test_a_wrong_file_in_the_cache_is_named_and_stays_until_there_is_a_right_one(
    server: Server, closed_port: str, tmp_path: Path
) -> None:
    (tmp_path / NAME).write_bytes(b"not a head")
    with pytest.raises(DownloadError, match="lies in the cache has another digest"):
        fetch_head("v1", source_at(closed_port), tmp_path, QUICK)
    assert (tmp_path / NAME).read_bytes() == b"not a head"
    assert fetch_head("v1", source_at(server.address), tmp_path, QUICK).read_bytes() == CONTENT


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


def test_a_cache_that_another_process_does_not_let_go_of_is_named(
    server: Server, source: Source, tmp_path: Path
) -> None:
    limits = Limits(size=100_000, lock_seconds=0.2)
    with (tmp_path / ".lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(CacheError) as caught:
            fetch_head("v1", source, tmp_path, limits)
    for part in (f"holds {tmp_path / '.lock'}", "0.2 s", "run again", "GEOGRAPH_TYPES_CACHE"):
        assert part in str(caught.value)
    assert caught.value.folder == tmp_path
    assert server.seen == []
    assert fetch_head("v1", source, tmp_path, limits).read_bytes() == CONTENT


@pytest.mark.parametrize("place", ["file", "file/cache", "loop", "n" * 300])
def test_a_cache_that_cannot_be_is_named_and_the_variable_with_it(
    server: Server, source: Source, tmp_path: Path, place: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(CacheError, match=r"name a folder .* GEOGRAPH_TYPES_CACHE") as caught:
        fetch_head("v1", source, tmp_path / place, QUICK)
    assert f"cache {tmp_path / place} cannot be used (" in str(caught.value)
    assert server.seen == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system in memory with room for half of the file."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_cache_is_named_and_the_next_run_goes_on_where_it_was_full(
    server: Server, source: Source, small_disk: Path
) -> None:
    with pytest.raises(
        CacheError, match=r"No space left on device.*GEOGRAPH_TYPES_CACHE"
    ) as caught:
        fetch_head("v1", source, small_disk, QUICK)
    assert f"cache {small_disk} " in str(caught.value)
    assert "make room" in str(caught.value)
    kept = (small_disk / f"{NAME}.part").stat().st_size
    subprocess.run(["mount", "-o", "remount,size=1m", str(small_disk)], check=True)
    assert fetch_head("v1", source, small_disk, QUICK).read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={kept}-"]


def test_an_unknown_name_is_answered_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there are v1, v2, v2\.1, v2\.3"):
        fetch_head("v9", GEOGRAPH, tmp_path, QUICK)


@pytest.mark.parametrize(
    ("file", "sha256"), [("../x.pth", DIGEST), ("", DIGEST), ("x.pth", "0"), ("x.pth", "Z" * 64)]
)
def test_a_pin_that_could_do_harm_is_refused(file: str, sha256: str) -> None:
    with pytest.raises(InputError, match="is no released head"):
        ReleasedHead(file, sha256)


def test_the_cache_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder() == tmp_path / ".cache" / "geograph-types"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "of-the-user"))
    assert cache_folder() == tmp_path / "of-the-user" / "geograph-types"
    monkeypatch.setenv("GEOGRAPH_TYPES_CACHE", "~/heads")
    assert cache_folder() == tmp_path / "heads"


def test_a_home_that_there_is_not_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEOGRAPH_TYPES_CACHE", "~nosuchuser/x")
    with pytest.raises(CacheError, match=r"cache ~nosuchuser/x .* in GEOGRAPH_TYPES_CACHE"):
        cache_folder()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user that there is not")
def test_a_user_without_a_home_is_told_what_to_set() -> None:
    environment = {
        name: value for name, value in os.environ.items() if name not in ("HOME", "XDG_CACHE_HOME")
    }
    done = subprocess.run(
        [sys.executable, "-c", NO_HOME], env=environment, capture_output=True, text=True
    )
    assert "home folder that is not known" in done.stdout, done.stderr
    assert "in GEOGRAPH_TYPES_CACHE" in done.stdout


def test_the_pins_are_the_published_digests(reference: Path) -> None:
    published = (reference / "released-heads.sha256").read_text().splitlines()
    assert [f"{head.sha256}  {head.file}" for head in GEOGRAPH.heads.values()] == published
