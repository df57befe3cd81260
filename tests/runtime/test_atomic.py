"""Files and folders appear whole or not at all."""

import os
from pathlib import Path

import pytest

from geograph_types.atomic import new_file, new_folder
from geograph_types.errors import InputError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_replaces_the_old_one_when_the_block_ends_well(tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    target.write_text("old")
    with new_file(target) as stream:
        stream.write(b"new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert names(tmp_path) == ["out.txt"]


def test_an_interrupted_file_leaves_the_old_one_and_no_rubbish(tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), new_file(target) as stream:
        stream.write(b"half")
        raise KeyboardInterrupt
    assert target.read_text() == "old"
    assert names(tmp_path) == ["out.txt"]


def test_a_folder_replaces_the_old_one_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "bundle"
    target.mkdir()
    (target / "old.txt").write_text("old")
    with new_folder(target) as work:
        (work / "new.txt").write_text("new")
        assert names(target) == ["old.txt"]
    assert names(target) == ["new.txt"]
    assert names(tmp_path) == ["bundle"]


def test_an_interrupted_folder_leaves_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "bundle"
    with pytest.raises(RuntimeError), new_folder(target) as work:
        (work / "new.txt").write_text("new")
        raise RuntimeError("full disk")
    assert names(tmp_path / "deep") == []
    with new_folder(target) as work:
        (work / "first.txt").write_text("1")
    with pytest.raises(RuntimeError), new_folder(target) as work:
        raise RuntimeError("again")
    assert names(target) == ["first.txt"]
    assert names(tmp_path / "deep") == ["bundle"]


def test_what_is_no_ordinary_file_is_never_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for target in (pipe, tmp_path):
        with pytest.raises(InputError, match="is no ordinary file"), new_file(target):
            pass
    assert pipe.is_fifo()


def test_a_link_is_followed_and_permissions_are_kept(tmp_path: Path) -> None:
    target, link = tmp_path / "out.txt", tmp_path / "link.txt"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    with new_file(link) as stream:
        stream.write(b"new")
    assert (target.read_text(), link.is_symlink()) == ("new", True)
    assert target.stat().st_mode & 0o777 == 0o640
