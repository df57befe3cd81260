import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from pictures import small_photos
from processes import descendants

from geograph_types.archive.ray_engine import ray_session
from geograph_types.cli.main import main

PHOTOS = int(os.environ.get("GEOGRAPH_TYPES_RAY_PHOTOS", "36"))
KILLS = int(os.environ.get("GEOGRAPH_TYPES_RAY_KILLS", "1"))
"""`make acceptance` takes 5,000 photos and 10 kills; a driver is killed there only."""

OURS = re.compile("^note: | tagged, 2 failed: | photos, [0-9.]+ per second$")
"""Lines of the program; all others would be Ray's."""

PROGRAM = [sys.executable, "-m", "geograph_types.cli"]
SHARDS = max(9, 2 * KILLS)
START_LIMIT = 60.0


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small photos, two of them no photos at all; not to be changed."""
    folder = small_photos(tmp_path_factory.mktemp("photos"), PHOTOS, (640, 480))
    (folder / "0005a.jpg").write_bytes(b"no photo")
    (folder / "0017a.jpg").touch()
    return folder


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The address of a Ray of two processors, started once for all tests."""
    before = signal.getsignal(signal.SIGTERM)
    with ray_session(None, 2):
        import ray

        # Ray's own handler would end a run without a summary.
        assert signal.getsignal(signal.SIGTERM) is before
        yield ray.get_runtime_context().gcs_address


def arguments(photos: Path, output: Path, bundle: Path, *engine: str) -> list[str]:
    shape = ["--shard-photos", str(PHOTOS // SHARDS), "--threads-per-actor", "1"]
    places = ["--input", str(photos), "--output", str(output), "--bundle", str(bundle)]
    return ["archive", "run", *places, *shape, *engine]


def shards(output: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in output.glob("part-*.parquet")}


@pytest.fixture(scope="module")
def expected(
    photos: Path, tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    output = tmp_path_factory.mktemp("local") / "out"
    started = time.monotonic()
    assert main(arguments(photos, output, tiny_bundle)) == 1
    print(f"\nlocal: {PHOTOS} photos in {time.monotonic() - started:.1f} s")
    assert len(shards(output)) in (SHARDS, SHARDS + 1)
    return shards(output)


def actors() -> list[int]:
    """Processes of actors that make shards, of the Ray that this process has started."""
    listed = (Path(f"/proc/{pid}/cmdline") for pid in descendants(os.getpid()))
    return [int(path.parent.name) for path in listed if b"ray::MapWorker" in path.read_bytes()]


def kill_actors(output: Path, stop: threading.Event, killed: list[int]) -> None:
    while len(killed) < KILLS and not stop.is_set():
        due = len(killed) * SHARDS // (KILLS + 1) < len(list(output.glob("part-*")))
        if due and (running := actors()):
            victim = running[len(killed) % len(running)]
            os.kill(victim, signal.SIGKILL)
            killed.append(victim)
        time.sleep(0.02)


@pytest.mark.usefixtures("address")
def test_actors_that_are_killed_leave_what_the_local_engine_writes(
    photos: Path,
    tiny_bundle: Path,
    tmp_path: Path,
    expected: dict[str, bytes],
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "killed"
    stop, killed = threading.Event(), list[int]()
    killer = threading.Thread(target=kill_actors, args=(output, stop, killed))
    killer.start()
    started = time.monotonic()
    try:
        engine = ["--engine", "ray", "--actors", "2"]
        assert main(arguments(photos, output, tiny_bundle, *engine)) == 1
    finally:
        stop.set()
        killer.join()
    took = time.monotonic() - started
    said = capsys.readouterr()
    assert said.out == ""
    assert not [line for line in said.err.splitlines() if not OURS.search(line)], said.err
    print(f"\n{len(killed)} actors killed, {PHOTOS} photos in {took:.1f} s")
    assert len(killed) == len(set(killed)) == KILLS
    assert shards(output) == expected


def test_the_command_of_the_readme(
    scenes: Path, tiny_bundle: Path, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    found = re.findall(r"^geograph-types (archive run --engine ray .+)$", text, re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    Path("photos").symlink_to(scenes)
    Path("model").symlink_to(tiny_bundle)
    for line in found:
        assert main([*line.split(), "--ray-address", address]) == 0
    assert found
    assert shards(Path("tagged"))


@pytest.mark.skipif(KILLS == 1, reason="long: `make acceptance` runs it")
def test_a_driver_that_is_killed_makes_no_finished_shard_again(
    photos: Path, tiny_bundle: Path, tmp_path: Path, address: str, expected: dict[str, bytes]
) -> None:
    output = tmp_path / "out"
    engine = ["--engine", "ray", "--actors", "2", "--ray-address", address]
    command = [*PROGRAM, *arguments(photos, output, tiny_bundle, *engine)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    until = time.monotonic() + START_LIMIT
    while process.poll() is None and not shards(output) and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    while actors() and time.monotonic() < until:
        time.sleep(0.1)
    kept = {path.name: path.stat() for path in output.glob("part-*.parquet")}
    assert 0 < len(kept) < len(expected)
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert f"{len(kept)} of them finished before" in done.stderr
    print(f"\ndriver killed with {len(kept)} of {len(expected)} shards; then: {done.stderr}")
    for name, status in kept.items():
        assert (output / name).stat().st_ino == status.st_ino
        assert (output / name).stat().st_mtime_ns == status.st_mtime_ns
    assert shards(output) == expected


def test_only_this_machine_can_reach_a_ray_that_was_started_here(address: str) -> None:
    assert address.startswith("127.0.0.1:")
    mine = set(descendants(os.getpid()))
    inodes = set()
    for pid in mine:
        for descriptor in Path(f"/proc/{pid}/fd").glob("*"):
            with suppress(OSError):  # it has been closed meanwhile
                inodes.add(str(descriptor.readlink()))
    reachable = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            local, state, inode = words[1].partition(":")[0], words[3], words[9]
            if state == "0A" and f"socket:[{inode}]" in inodes:
                reachable.append(local)
    loopback = {"0100007F", "0000000000000000FFFF00000100007F"}
    assert reachable
    assert set(reachable) <= loopback


def test_no_ray_and_no_room(photos: Path, tiny_bundle: Path, tmp_path: Path, address: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{free.getsockname()[1]}"
    for options, message in (
        (["--ray-address", nobody], f"Ray at {nobody} does not answer (Connection refused)"),
        (["--ray-address", "somewhere"], "--ray-address somewhere: give HOST:PORT"),
        (["--ray-address", address, "--threads-per-actor", "9"], "no machine with 9 CPU"),
    ):
        given = arguments(photos, tmp_path / "out", tiny_bundle, "--engine", "ray", *options)
        done = subprocess.run([*PROGRAM, *given], capture_output=True, text=True)
        assert done.returncode == 2, done.stderr
        lines = [line for line in done.stderr.splitlines() if not line.startswith("note: ")]
        assert len(lines) == 1, done.stderr
        assert message in lines[0]
