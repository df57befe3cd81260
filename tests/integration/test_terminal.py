import os
import pty
import re
import shutil
import sys
from importlib import metadata
from pathlib import Path

import pytest

from geograph_types import TypeTagger
from geograph_types.cli.main import main


def at_a_terminal(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> tuple[int, list[str]]:
    master, slave = pty.openpty()
    with open(slave, "w", encoding="utf-8") as terminal, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", terminal)
        patch.setenv("TERM", "xterm")
        patch.setenv("COLUMNS", "500")
        status = main([*map(str, arguments)])
        terminal.flush()
        shown = os.read(master, 1 << 16).decode()
    os.close(master)
    return status, re.sub(r"\x1b\[[0-9;]*m", "", shown).splitlines()


def test_tags_are_a_table(
    tiny_bundle: Path, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, labels = tmp_path / "photos", tmp_path / "labels.csv"
    folder.mkdir()
    names = ("empty.jpg", "[red] near.jpg", "anywhere.jpg")
    empty, near, anywhere = (folder / name for name in names)
    empty.touch()
    shutil.copy(photo, near)
    shutil.copy(photo, anywhere)
    labels.write_text("photo,distance\nphotos/[red] near.jpg,300\n")
    command = ("tag", folder, "--bundle", tiny_bundle, "--labels", labels)
    status, lines = at_a_terminal(monkeypatch, *command)
    assert status == 1
    assert lines[0].split() == ["photo", "tags", "most", "probable", "distance"]
    rows = {next(name for name in names if name in line): line.split() for line in lines[1:]}
    assert rows["empty.jpg"] == [str(empty), "empty_file"]
    tagger = TypeTagger(tiny_bundle)
    for path, metres, far in ((near, 300, "300 m"), (anywhere, None, "unknown")):
        prediction = tagger.tag(path, metres)
        best, probability = max(prediction.probabilities.items(), key=lambda item: item[1])
        tags = ", ".join(prediction.tags) + " ?" * prediction.low_confidence
        bar = "█" * round(10 * probability)
        expected = f"{path} {tags} {best} {probability:.2f} {bar} {far}"
        assert rows[path.name] == expected.split()


def test_the_version_is_that_of_the_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    version = metadata.version("geograph-types")
    assert at_a_terminal(monkeypatch, "--version") == (0, [f"geograph-types {version}"])
