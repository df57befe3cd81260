import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from geograph_types.errors import InputError
from geograph_types.files.atomic import new_file, new_folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write(target: Path, data: bytes) -> None:
    with new_file(target) as stream:
        stream.write(data)


def test_a_file_replaces_the_old_one_when_the_block_ends_well(tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), new_file(target) as stream:
        stream.write(b"half")
        raise KeyboardInterrupt
    with new_file(target) as stream:
        stream.write(b"new")
        assert (target.read_text(), names(tmp_path)[1:]) == ("old", ["out.txt"])
    assert target.read_text() == "new"
    assert names(tmp_path) == ["out.txt"]


def test_a_folder_replaces_the_old_one_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "bundle"
    with pytest.raises(RuntimeError), new_folder(target) as work:
        (work / "new.txt").write_text("new")
        raise RuntimeError("full disk")
    assert names(tmp_path / "deep") == []
    with new_folder(target) as work:
        (work / "first.txt").write_text("1")
    with pytest.raises(RuntimeError), new_folder(target) as work:
        raise RuntimeError("again")
    with new_folder(target) as work:
        (work / "new.txt").write_text("new")
        assert names(target) == ["first.txt"]
    assert names(target) == ["new.txt"]
    assert names(tmp_path / "deep") == ["bundle"]


def test_what_is_no_ordinary_file_is_never_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for target in (pipe, tmp_path):
        with pytest.raises(InputError, match="is not an ordinary file"):
            write(target, b"new")
    assert pipe.is_fifo()


def test_a_link_is_followed_and_permissions_are_kept(tmp_path: Path) -> None:
    target, link = tmp_path / "out.txt", tmp_path / "link.txt"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    write(link, b"new")
    assert (target.read_text(), link.is_symlink()) == ("new", True)
    assert target.stat().st_mode & 0o777 == 0o640


KILLS = 4
WRITER = """
import sys
from pathlib import Path
from geograph_types.files.atomic import new_file, new_folder

folder = Path(sys.argv[1])
number = 0
while True:
    number += 1
    with new_folder(folder / "bundle") as work:
        for name in "abc":
            (work / name).write_text(str(number))
    with new_file(folder / "out.txt") as stream:
        stream.write(b"x" * number + b"end")
    print(number, flush=True)
"""


def test_a_writer_killed_at_any_moment_leaves_whole_things(tmp_path: Path) -> None:
    rng = random.Random(5)
    for _ in range(KILLS):
        command = [sys.executable, "-c", WRITER, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            writer.stdout.readline()  # the first round is done
            for _ in range(rng.randrange(40)):
                writer.stdout.readline()
            writer.kill()
        assert len({path.read_text() for path in (tmp_path / "bundle").iterdir()}) == 1
        assert names(tmp_path / "bundle") == ["a", "b", "c"]
        assert (tmp_path / "out.txt").read_bytes().endswith(b"end")
        assert {*names(tmp_path)} <= {"bundle", "out.txt", ".bundle.part", ".out.txt.part"}
    with new_folder(tmp_path / "bundle") as work, new_file(tmp_path / "out.txt") as stream:
        (work / "a").write_text("last")
        stream.write(b"last")
    assert names(tmp_path) == ["bundle", "out.txt"]


def test_two_writers_of_one_name_do_not_mix(tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    with new_file(target) as first:
        first.write(b"first")
        write(target, b"second")
        assert target.read_bytes() == b"second"
    assert target.read_bytes() == b"first"
    with new_folder(tmp_path / "bundle") as one, new_folder(tmp_path / "bundle") as other:
        assert one != other
    assert names(tmp_path) == ["bundle", "out.txt"]


def test_a_planted_temporary_name_is_neither_followed_nor_emptied(tmp_path: Path) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("kept")
    for number, plant in enumerate((os.symlink, os.link)):
        plant(precious, tmp_path / f".out{number}.txt.part")
        write(tmp_path / f"out{number}.txt", b"new")
        assert (tmp_path / f"out{number}.txt").read_text() == "new"
    os.mkfifo(tmp_path / ".pipe.txt.part")
    write(tmp_path / "pipe.txt", b"new")
    assert precious.read_text() == "kept"
