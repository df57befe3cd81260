"""Runs that remember: what is opened again and what is not, and what is not a catalogue."""

import csv
import io
import json
import os
import shutil
import sqlite3
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from geograph_types.cli.main import main
from geograph_types.photos.catalog import open_catalog


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twelve small photos."""
    rng = np.random.default_rng(4)
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(12):
        coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((64, 48)).save(folder / f"{number:02}.jpg")
    return folder


def replaced(path: Path, content: bytes) -> None:
    """Change a file, and leave size and time as they were."""
    status = path.stat()
    path.write_bytes(content.ljust(status.st_size, b"\0"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_a_second_run_opens_no_photo(
    tiny_bundle: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    catalog = tmp_path / "c.catalog"
    command = ["tag", str(photos), "--bundle", str(tiny_bundle), "--catalog", str(catalog)]
    without = ["--out", str(tmp_path / "without.jsonl")]
    assert main(["tag", str(photos), "--bundle", str(tiny_bundle), *without]) == 0
    assert main([*command, "--out", str(tmp_path / "1.jsonl")]) == 0
    assert "12 photos opened, 0 taken from" in capsys.readouterr().err
    assert main([*command, "--out", str(tmp_path / "2.jsonl")]) == 0
    assert "0 photos opened, 12 taken from" in capsys.readouterr().err
    first = (tmp_path / "1.jsonl").read_bytes()
    assert first == (tmp_path / "2.jsonl").read_bytes()
    assert first == (tmp_path / "without.jsonl").read_bytes()


def test_a_moved_folder_and_a_touched_photo_are_known_by_their_content(
    tiny_bundle: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, catalog = tmp_path / "o.jsonl", tmp_path / "c.catalog"
    options = ["--bundle", str(tiny_bundle), "--catalog", str(catalog), "--out", str(out)]
    assert main(["tag", str(photos), *options]) == 0
    before = [row["probabilities"] for row in rows(out)]
    moved = photos.rename(tmp_path / "moved")
    os.utime(moved / "00.jpg", ns=(1, 1))
    # Of the same size and time as another, and yet another photo.
    replaced(moved / "01.jpg", b"no photo at all")
    capsys.readouterr()
    assert main(["tag", str(moved), *options]) == 1
    assert "1 photos opened, 11 taken from" in capsys.readouterr().err
    after = [row.get("probabilities") for row in rows(out)]
    assert after[1] is None
    assert [after[0], *after[2:]] == [before[0], *before[2:]]
    assert main(["tag", str(moved), *options, "--exact"]) == 1
    assert "11 photos opened, 1 taken from" in capsys.readouterr().err
    # A folder that is away may be on a drive that is away.
    assert main(["catalog", "stats", str(catalog)]) == 0
    assert "photos     24 " in capsys.readouterr().out
    assert main(["catalog", "prune", str(catalog)]) == 0
    said = capsys.readouterr().err
    assert f"the folders of 12 photos are away or empty, such as {photos}" in said
    assert "0 photos forgotten, 24 left in" in said
    assert main(["catalog", "prune", str(catalog), "--yes"]) == 0
    assert "12 photos forgotten, 12 left in" in capsys.readouterr().err


def test_a_photo_that_was_moved_is_known_once_and_a_copy_twice(
    tiny_bundle: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    catalog, laptop = tmp_path / "c.catalog", tmp_path / "laptop"
    options = ["--bundle", str(tiny_bundle), "--catalog", str(catalog)]
    assert main(["tag", str(photos), *options]) == 0
    (photos / "00.jpg").rename(photos / "renamed.jpg")
    shutil.copytree(photos, laptop)
    assert main(["tag", str(photos), *options]) == 0
    away = photos.rename(tmp_path / "away")
    capsys.readouterr()
    assert main(["tag", str(laptop), *options]) == 0
    assert "0 photos opened, 12 taken from" in capsys.readouterr().err
    away.rename(photos)
    assert main(["catalog", "prune", str(catalog)]) == 0
    assert "0 photos forgotten, 24 left in" in capsys.readouterr().err


def test_a_photo_under_other_case_and_normal_form_is_known_by_its_content(
    tiny_bundle: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As Windows and macOS, which tell such names apart no more, give them back."""
    options = ["--bundle", str(tiny_bundle), "--catalog", str(tmp_path / "c.catalog")]
    (photos / "00.jpg").rename(photos / unicodedata.normalize("NFC", "Übung.jpg"))
    assert main(["tag", str(photos), *options]) == 0
    for path in [*photos.iterdir()]:
        path.rename(photos / unicodedata.normalize("NFD", path.name.swapcase()))
    capsys.readouterr()
    assert main(["tag", str(photos), *options]) == 0
    assert "0 photos opened, 12 taken from" in capsys.readouterr().err
    assert main(["catalog", "stats", str(tmp_path / "c.catalog")]) == 0
    assert "photos     12 " in capsys.readouterr().out


def test_a_drive_that_cannot_be_read_costs_no_embedding(
    tiny_bundle: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, catalog = tmp_path / "o.jsonl", tmp_path / "c.catalog"
    command = ["tag", str(photos), "--bundle", str(tiny_bundle), "--catalog", str(catalog)]
    command += ["--out", str(out)]
    assert main(command) == 0
    before = out.read_bytes()
    photo, kept = photos / "00.jpg", tmp_path / "kept.jpg"
    photo.rename(kept)
    # It can be opened and has a size; reading it is refused, as by a drive that fails.
    photo.symlink_to("/sys/class/net/lo/speed")
    for _ in range(2):
        assert main(command) == 1
        assert [row["reason"] for row in rows(out) if "reason" in row] == ["unreadable"]
    kept.replace(photo)
    capsys.readouterr()
    assert main(command) == 0
    assert "0 photos opened, 12 taken from" in capsys.readouterr().err
    assert out.read_bytes() == before


def test_a_folder_that_could_not_be_entered_is_forgotten_when_asked(
    tiny_bundle: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "folder.jpg").mkdir()
    catalog = tmp_path / "c.catalog"
    command = ["tag", str(photos), "--bundle", str(tiny_bundle), "--catalog", str(catalog)]
    assert main(command) == 1
    capsys.readouterr()
    assert main(["catalog", "prune", str(catalog)]) == 0
    assert "1 photos forgotten, 12 left in" in capsys.readouterr().err


def test_a_drive_that_is_away_costs_no_embedding(
    tiny_bundle: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, catalog = tmp_path / "o.jsonl", tmp_path / "c.catalog"
    other = shutil.copy(photos / "00.jpg", tmp_path / "other.jpg")
    listed = sorted(map(str, photos.iterdir()))
    command = ["tag", *listed, str(other), "--bundle", str(tiny_bundle), "--catalog", str(catalog)]
    command += ["--out", str(out)]
    assert main(command) == 0
    before = out.read_bytes()
    away = photos.rename(tmp_path / "away")
    capsys.readouterr()
    assert main(["tag", str(photos), *command[-6:]]) == 2
    assert f"there is no {photos}: check the spelling" in capsys.readouterr().err
    assert out.read_bytes() == before
    assert main(command) == 1
    assert [row.get("reason") for row in rows(out)] == ["not_found"] * 12 + [None]
    assert main(["tag", str(photos), str(other), *command[-6:]]) == 2
    assert len(rows(out)) == 13
    away.rename(photos)
    capsys.readouterr()
    assert main(command) == 0
    assert "0 photos opened, 13 taken from" in capsys.readouterr().err
    assert out.read_bytes() == before


def test_photos_that_are_gone_are_forgotten_when_asked(
    tiny_bundle: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, catalog = tmp_path / "o.jsonl", tmp_path / "c.catalog"
    command = ["tag", str(photos), "--bundle", str(tiny_bundle), "--catalog", str(catalog)]
    assert main(command) == 0
    (photos / "03.jpg").unlink()
    assert main(["catalog", "prune", str(catalog)]) == 0
    assert "1 photos forgotten, 11 left in" in capsys.readouterr().err
    assert main(["catalog", "export", str(catalog), "--out", str(out)]) == 0
    assert str(photos / "03.jpg") not in {row["photo"] for row in rows(out)}
    assert len(rows(out)) == 11
    missing = tmp_path / "none.catalog"
    assert main(["catalog", "prune", str(missing)]) == 2
    assert "does not exist" in capsys.readouterr().err
    assert not missing.exists()


def test_a_photo_that_is_named_twice_is_tagged_once(
    tiny_bundle: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "o.jsonl"
    named = [str(photos), "photos/00.jpg", str(photos / "00.jpg"), "photos"]
    assert main(["tag", *named, "--bundle", str(tiny_bundle), "--out", str(out)]) == 0
    assert len(rows(out)) == 12


def test_a_name_that_looks_like_a_formula_is_text_to_a_spreadsheet(
    tiny_bundle: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (photos / "00.jpg").rename(photos / "=HYPERLINK(0).jpg")
    monkeypatch.chdir(photos)
    out = tmp_path / "o.csv"
    assert main(["tag", "=HYPERLINK(0).jpg", "--bundle", str(tiny_bundle), "--out", str(out)]) == 0
    assert out.read_text().splitlines()[1].startswith("'=HYPERLINK(0).jpg,ok,")


def test_only_what_is_new_or_changed_is_opened(
    tiny_bundle: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, unsure = photos / "bad.jpg", photos / "camera.nef"
    bad.write_bytes(b"no photo")
    unsure.write_bytes(b"RAW")
    out, catalog = tmp_path / "o.jsonl", tmp_path / "c.catalog"
    command = ["tag", str(photos), "--bundle", str(tiny_bundle), "--catalog", str(catalog)]
    command += ["--out", str(out)]
    assert main(command) == 1
    before = {row["photo"]: row for row in rows(out)}
    capsys.readouterr()
    # Another extra may be installed by now, so a format that was not supported is tried again.
    assert main(command) == 1
    assert "1 photos opened, 13 taken from" in capsys.readouterr().err
    assert {row["photo"]: row for row in rows(out)} == before
    bad.write_bytes((photos / "00.jpg").read_bytes() + b"\0")
    (photos / "01.jpg").write_bytes((photos / "02.jpg").read_bytes() + b"\0")
    (photos / "new.jpg").write_bytes((photos / "03.jpg").read_bytes() + b"\0")
    unsure.unlink()
    assert main(command) == 0
    assert "3 photos opened, 11 taken from" in capsys.readouterr().err
    after = {Path(row["photo"]).name: row.get("probabilities") for row in rows(out)}
    assert list(after) == sorted(after)
    for copy, source in (("bad", "00"), ("01", "02"), ("new", "03")):
        assert list(after[f"{copy}.jpg"].values()) == pytest.approx(
            list(after[f"{source}.jpg"].values()), abs=1e-5
        )
    assert main(["catalog", "stats", str(catalog)]) == 0
    assert "failed     unsupported_format       1" in capsys.readouterr().out


def test_another_head_opens_no_photo_and_another_encoder_opens_all(
    tiny_bundle: Path,
    another_bundle: Callable[..., Path],
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    catalog = tmp_path / "c.catalog"
    head = another_bundle(tmp_path / "head", head=1)
    encoder = another_bundle(tmp_path / "encoder", encoder=1, head=1)
    for bundle, opened, kept in ((tiny_bundle, 12, 0), (head, 0, 12), (encoder, 12, 0)):
        for name, remember in (("with", ["--catalog", str(catalog)]), ("without", [])):
            out = ["--out", str(tmp_path / f"{name}.jsonl")]
            assert main(["tag", str(photos), "--bundle", str(bundle), *remember, *out]) == 0
            if remember:
                said = f"{opened} photos opened, {kept} taken from"
                assert said in capsys.readouterr().err
        assert (tmp_path / "with.jsonl").read_bytes() == (tmp_path / "without.jsonl").read_bytes()
    exact = ["--catalog", str(catalog), "--exact", "--out", str(tmp_path / "exact.jsonl")]
    assert main(["tag", str(photos), "--bundle", str(encoder), *exact]) == 0
    assert "12 photos opened" in capsys.readouterr().err


def test_all_outputs_say_the_same(tiny_bundle: Path, photos: Path, tmp_path: Path) -> None:
    (photos / "bad.jpg").write_bytes(b"no photo")
    catalog = tmp_path / "c.catalog"
    command = ["tag", str(photos), "--bundle", str(tiny_bundle), "--catalog", str(catalog)]
    for suffix in ("jsonl", "csv", "parquet"):
        assert main([*command, "--out", str(tmp_path / f"tags.{suffix}")]) == 1
        exported = tmp_path / f"exported.{suffix}"
        assert main(["catalog", "export", str(catalog), "--out", str(exported)]) == 0
        # Photos were given by their absolute paths, by which a catalogue knows them.
        assert exported.read_bytes() == (tmp_path / f"tags.{suffix}").read_bytes()
    lines = rows(tmp_path / "tags.jsonl")
    with (tmp_path / "tags.csv").open(newline="") as stream:
        cells = list(csv.DictReader(stream))
    table = pq.read_table(tmp_path / "tags.parquet").to_pylist()
    assert len(lines) == len(cells) == len(table) == 13
    for line, cell, row in zip(lines, cells, table, strict=True):
        assert line["photo"] == cell["photo"] == row["photo"]
        assert line["status"] == cell["status"] == row["status"]
        assert line.get("reason") == row["reason"] == (cell["reason"] or None)
        if line["status"] == "ok":
            assert line["tags"] == row["tags"] == cell["tags"].split(",")
            assert line["probabilities"]["Close Look"] == row["p_close_look"]
            assert float(cell["p_from_drone"]) == row["p_from_drone"]
            assert row["distance_bucket"] == 22
            assert row["distance_metres"] is None
            assert row["stand_in"] is True
            assert cell["stand_in"] == "true"


def test_control_characters_of_names_reach_neither_terminals_nor_tables(
    tiny_bundle: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "a\x1b[31m\n\udce9\u2028.jpg"
    (photos / "00.jpg").rename(photos / name)
    (photos / f"bad{name}").write_bytes(b"no photo")
    out = tmp_path / "tags.csv"
    assert main(["tag", str(photos), "--bundle", str(tiny_bundle), "--out", str(out)]) == 1
    text = out.read_text()
    assert "a\\x1b[31m\\n\\xe9\\u2028.jpg," in text
    assert "\x1b" not in text
    assert text.count("\n") == 14
    said = capsys.readouterr().err
    assert "bada\\x1b[31m\\n\\xe9\\u2028.jpg: not_an_image" in said
    assert "\x1b" not in said


@pytest.mark.parametrize("suffix", ["txt", "json", ""])
def test_other_suffixes_are_refused_before_any_photo_is_opened(
    tiny_bundle: Path, photos: Path, tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["tag", str(photos), "--bundle", str(tiny_bundle)]
    assert main([*command, "--out", str(tmp_path / f"tags.{suffix}")]) == 2
    assert "none of the suffixes .jsonl, .csv, .parquet" in capsys.readouterr().err


def redrawn(photo: Path) -> None:
    """Save another picture, and leave size and time as they were, as `exiftool -P` does."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(buffer, "JPEG")
    replaced(photo, buffer.getvalue())


def touched(photo: Path) -> None:
    photo.chmod(0o600)


def linked(photo: Path) -> None:
    os.link(photo, photo.with_name("link"))


def copied_back(photo: Path) -> None:
    """Restore the same bytes under the same time, as from a backup."""
    copy = photo.with_name("copy")
    shutil.copy2(photo, copy)
    copy.replace(photo)


@pytest.mark.parametrize(
    ("change", "opened"),
    [
        (redrawn, 1),
        (lambda photo: replaced(photo, b"not a photo"), 1),
        (touched, 0),
        (linked, 0),
        (copied_back, 0),
    ],
)
def test_an_edit_that_keeps_size_and_time_is_seen(
    tiny_bundle: Path,
    photos: Path,
    tmp_path: Path,
    change: Callable[[Path], None],
    opened: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["tag", str(photos), "--bundle", str(tiny_bundle)]
    command += ["--catalog", str(tmp_path / "c.catalog"), "--out", str(tmp_path / "o.jsonl")]
    assert main(command) == 0
    change(photos / "03.jpg")
    capsys.readouterr()
    main(command)
    assert f"{opened} photos opened, {12 - opened} taken from" in capsys.readouterr().err
    main(command)
    assert "0 photos opened, 12 taken from" in capsys.readouterr().err
    main([*command, "--reread"])
    assert "12 photos opened, 0 taken from" in capsys.readouterr().err


VERSION_1 = """
ALTER TABLE photos DROP COLUMN ctime_ns;
ALTER TABLE photos DROP COLUMN decoder;
ALTER TABLE results DROP COLUMN problems;
ALTER TABLE results DROP COLUMN certain;
UPDATE photos SET fault = 'not_an_image', detail = 'no image', embedding = NULL
    WHERE CAST(path AS TEXT) LIKE '%00.jpg';
PRAGMA user_version = 1;
"""


def test_what_an_earlier_decoder_made_is_opened_again(
    tiny_bundle: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    catalog, out = tmp_path / "c.catalog", tmp_path / "o.jsonl"
    command = ["tag", str(photos), "--bundle", str(tiny_bundle), "--catalog", str(catalog)]
    command += ["--out", str(out)]
    assert main(command) == 0
    before = out.read_bytes()

    def changed(script: str) -> None:
        with sqlite3.connect(catalog) as connection:
            connection.executescript(script)
        connection.close()

    changed(VERSION_1)
    capsys.readouterr()
    assert main(["catalog", "stats", str(catalog)]) == 2
    assert "made by an earlier version" in capsys.readouterr().err
    assert main(command) == 0
    assert "12 photos opened, 0 taken from" in capsys.readouterr().err
    assert out.read_bytes() == before
    lasting = "UPDATE photos SET fault = 'damaged', detail = 'x', embedding = NULL"
    changed(f"{lasting} WHERE CAST(path AS TEXT) LIKE '%/01.jpg';")
    assert main(command) == 1
    assert "0 photos opened, 12 taken from" in capsys.readouterr().err
    changed("UPDATE photos SET decoder = 1 WHERE CAST(path AS TEXT) LIKE '%/0_.jpg';")
    assert main(command) == 0
    assert "10 photos opened, 2 taken from" in capsys.readouterr().err
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    ("pattern", "left"),
    [("private", 12), ("0[0-3].jpg", 9), ("*/photos/0*", 3), ("PRIVATE/", 12), ("photos", 0)],
)
def test_photos_that_patterns_leave_out_are_forgotten(
    tiny_bundle: Path,
    photos: Path,
    tmp_path: Path,
    pattern: str,
    left: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    catalog = str(tmp_path / "c.catalog")
    (photos / "private").mkdir()
    shutil.copy(photos / "00.jpg", photos / "private" / "secret.jpg")
    command = ["tag", str(photos), "--bundle", str(tiny_bundle), "--catalog", catalog]
    assert main([*command, "--out", str(tmp_path / "o.jsonl")]) == 0
    assert main(["catalog", "prune", catalog, "--exclude", "privat"]) == 2
    assert "--exclude 'privat' fits no photo" in capsys.readouterr().err
    assert main(["catalog", "prune", catalog, "--exclude", pattern]) == 0
    assert f"{13 - left} photos forgotten, {left} left in" in capsys.readouterr().err


def other_database(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE mine (number)")
    connection.close()


def newer_catalogue(path: Path) -> None:
    with open_catalog(path):
        pass
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 4")
    connection.close()


def cut_off_catalogue(path: Path) -> None:
    with open_catalog(path):
        pass
    path.write_bytes(path.read_bytes()[:5000])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_text("photo,tags\n" * 100), "it is not a catalogue"),
        (other_database, "it is a database of another program"),
        (newer_catalogue, "update geograph-types"),
        (cut_off_catalogue, "it is damaged"),
        (Path.mkdir, "is a directory"),
    ],
)
def test_what_is_no_catalogue_is_refused_and_left_as_it_is(
    tiny_bundle: Path,
    photos: Path,
    tmp_path: Path,
    make: Callable[[Path], object],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "c.catalog"
    make(path)
    before = path.read_bytes() if path.is_file() else None
    for command in (
        ["tag", str(photos), "--bundle", str(tiny_bundle), "--catalog", str(path)],
        ["catalog", "stats", str(path)],
    ):
        if before is not None or command[0] == "tag":
            assert main(command) == 2
            assert message in capsys.readouterr().err
    if before is not None:
        assert path.read_bytes() == before


def test_a_catalogue_in_use_is_refused_to_a_second_run_and_read_by_others(
    tiny_bundle: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "c.catalog"
    command = ["tag", str(photos), "--bundle", str(tiny_bundle), "--catalog", str(path)]
    with open_catalog(path):
        assert main(command) == 2
        assert "in use by another run: wait until that ends" in capsys.readouterr().err
        assert main(["catalog", "stats", str(path)]) == 0
        assert "photos     0" in capsys.readouterr().out
    assert main(command) == 0


def test_a_missing_catalogue_is_not_made_by_those_who_read_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "none.catalog"
    out = str(tmp_path / "o.csv")
    for command in (["stats", str(path)], ["export", str(path), "--out", out]):
        assert main(["catalog", *command]) == 2
        assert "there is no such file" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_photos_of_a_stopped_run_are_said_to_be_untagged(
    tiny_bundle: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "c.catalog"
    command = ["tag", str(photos), "--bundle", str(tiny_bundle), "--catalog", str(path)]
    assert main(command) == 0
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM results WHERE CAST(path AS TEXT) LIKE '%/0_.jpg'")
    connection.close()
    out = tmp_path / "o.jsonl"
    assert main(["catalog", "export", str(path), "--out", str(out)]) == 1
    assert "10 photos are not tagged yet" in capsys.readouterr().err
    assert len(rows(out)) == 2
    assert main(command) == 0
    assert main(["catalog", "export", str(path), "--out", str(out)]) == 0
    assert len(rows(out)) == 12
