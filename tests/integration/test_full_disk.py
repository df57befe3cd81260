import os
import random
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pictures import small_photos

from geograph_types.photos.catalog import open_catalog

PHOTOS = 64
POINTS = int(os.environ.get("GEOGRAPH_TYPES_FULL_DISK", "2"))
"""How often the disk is full; `make acceptance` takes 20."""

OBEDIENT = ["setpriv", "--bounding-set", "-dac_override", "--inh-caps", "-dac_override"]
"""Has root obey the modes of folders, as everybody else does."""

NO_SPACE = ("disk is full", "No space left", "File too large", "reading or writing failed")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_photos(tmp_path_factory.mktemp("photos"), PHOTOS)


def tag(
    *arguments: object, largest: int | None = None, cwd: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run the program, where asked for with a limit on the size of files that it writes."""

    def limit() -> None:
        if largest is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))

    obedient = OBEDIENT if os.geteuid() == 0 and largest is None else []
    return subprocess.run(
        [*obedient, sys.executable, "-m", "geograph_types.cli", "tag", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        preexec_fn=limit,
    )


def photos_in(catalog: Path) -> int:
    if not catalog.exists() or not catalog.stat().st_size:
        return 0
    with open_catalog(catalog, read_only=True) as opened:
        return opened.photo_count()


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[bool]:
    """Mount a file system in memory over a folder; gives whether that is permitted here."""
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    known = shutil.which("mount") is not None
    permitted = known and subprocess.run(mount, capture_output=True).returncode == 0
    try:
        yield permitted
    finally:
        if permitted:
            subprocess.run(["umount", str(folder)], check=True)


def grow(folder: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=64m", str(folder)], check=True)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    folder.mkdir(exist_ok=True)
    folder.chmod(0o555)
    try:
        yield
    finally:
        folder.chmod(0o755)


def one_clear_line(done: "subprocess.CompletedProcess[str]", *messages: str) -> None:
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert any(message in line for message in messages), line


def test_the_run_after_a_full_disk_ends(tiny_bundle: Path, photos: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole.jsonl"
    arguments = [photos, "--bundle", tiny_bundle]
    catalog = tmp_path / "whole.catalog"
    assert tag(*arguments, "--catalog", catalog, "--out", whole).returncode == 0
    largest = catalog.stat().st_size + whole.stat().st_size + 200_000
    sizes = random.Random(3)
    kept, ways = [], set()
    for point in range(POINTS):
        disk = tmp_path / f"disk{point}"
        # The first points are where it begins, the last ones where results are written.
        size = int(largest * (point + sizes.random()) / POINTS) // 4096 * 4096
        with small_disk(disk, max(size, 4096)) as mounted:
            ways.add("tmpfs" if mounted else "RLIMIT_FSIZE")
            outputs = ["--catalog", disk / "tags.catalog", "--out", disk / "tags.jsonl"]
            (disk / "tags.jsonl").touch()
            done = tag(*arguments, *outputs, largest=None if mounted else max(size, 4096))
            if done.returncode:
                one_clear_line(done, *NO_SPACE)
                assert (disk / "tags.jsonl").read_bytes() == b""
            if mounted:
                grow(disk)
            kept.append(photos_in(disk / "tags.catalog"))
            again = tag(*arguments, *outputs)
            assert again.returncode == 0, again.stderr
            opened = int(again.stderr.partition(" photos opened")[0].split()[-1])
            assert opened == PHOTOS - kept[-1]
            assert (disk / "tags.jsonl").read_bytes() == whole.read_bytes()
    print(f"\n{POINTS} full disks ({', '.join(ways)}); photos kept at each: {kept}")
    assert kept[0] < PHOTOS


@pytest.mark.parametrize("name", ["tags.catalog", "tags.jsonl"])
def test_read_only_is_one_line(tiny_bundle: Path, photos: Path, tmp_path: Path, name: str) -> None:
    place = tmp_path / "place"
    option = "--catalog" if name.endswith("catalog") else "--out"
    arguments = [photos, "--bundle", tiny_bundle, option, place / name]
    with read_only(place):
        one_clear_line(tag(*arguments), "cannot be written", "is not writable")
    assert list(place.iterdir()) == []


def test_photos_may_be_read_only(tiny_bundle: Path, photos: Path, tmp_path: Path) -> None:
    place = tmp_path / "place"
    shutil.copytree(photos, place)
    catalog, out = tmp_path / "tags.catalog", tmp_path / "tags.jsonl"
    arguments = ["place", "--bundle", tiny_bundle, "--catalog", catalog, "--out", out]
    with read_only(place):
        assert tag(*arguments, cwd=tmp_path).returncode == 0
        done = tag(*arguments, "--xmp", cwd=tmp_path)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        errors = [line for line in done.stderr.splitlines() if line.startswith("error: sidecar")]
        assert f"0 sidecars written, {len(errors)} failed" in done.stderr
        assert "cannot be written" in errors[0]
        assert f"{PHOTOS} photos tagged" in done.stderr
    assert not list(place.glob("*.xmp"))
    assert tag(*arguments, "--xmp", cwd=tmp_path).returncode == 0
    assert len(list(place.glob("*.xmp"))) == len(errors) > 0


def test_runs_at_once_on_one_catalogue(tiny_bundle: Path, photos: Path, tmp_path: Path) -> None:
    catalog = tmp_path / "tags.catalog"
    command = [sys.executable, "-m", "geograph_types.cli", "tag", str(photos)]
    command += ["--bundle", str(tiny_bundle), "--catalog", str(catalog)]
    with open_catalog(catalog):
        held = tag(*command[4:])
    one_clear_line(held, "in use by another run")
    for _ in range(1 + POINTS // 10):
        catalog.unlink(missing_ok=True)
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        started = [subprocess.Popen(command, **pipes) for _ in range(4 if POINTS > 2 else 2)]
        ended = [(process, *process.communicate()) for process in started]
        complete = [out for process, out, _ in ended if process.returncode == 0]
        assert complete
        for process, out, error in ended:
            if process.returncode:
                assert (process.returncode, out) == (2, "")
                assert "in use by another run" in error
            else:
                assert len(out.splitlines()) == PHOTOS
        assert len(set(complete)) == 1
