import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest

from geograph_types.bundle import Bundle
from geograph_types.manifest import encode_manifest

Done: TypeAlias = subprocess.CompletedProcess[str]
Run: TypeAlias = Callable[..., Done]


def run_program(*words: object, shell: str = "") -> Done:
    """Run a command in a process of its own, where asked for with something behind it."""
    command = [sys.executable, "-m", "geograph_types.cli", *map(str, words)]
    if shell:
        command = ["bash", "-c", f"{shlex.join(command)} {shell}"]
    return subprocess.run(command, capture_output=True, text=True)


def error_line(done: Done, status: int) -> str:
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_tag_writes_a_line_a_photo_and_names_the_stand_in(bundle: Path, scenes: Path) -> None:
    done = run_program("tag", scenes, "--bundle", bundle, "--labels", scenes / "labels.csv")
    assert done.returncode == 0
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["photo"] for row in rows] == sorted(map(str, scenes.glob("*.jpg")))
    assert {row["status"] for row in rows} == {"ok"}
    assert {row["distance"]["basis"] for row in rows} >= {"positions"}
    assert sum("stand-in" in line for line in done.stderr.splitlines()) == 1


def test_a_bad_photo_costs_itself_only(run: Run, bundle: Path, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("not a photo")
    (tmp_path / "good.jpg").write_bytes(photo.read_bytes())
    for name, fault in (("empty", "empty_file"), ("text", "not_an_image")):
        line = error_line(run("tag", tmp_path / f"{name}.jpg", "--bundle", bundle), 1)
        assert f"{name}.jpg: {fault}: " in line
    report = tmp_path / "page.html"
    done = run("tag", tmp_path, tmp_path / "missing.jpg", "--bundle", bundle, "--report", report)
    assert done.returncode == 1
    rows = map(json.loads, done.stdout.splitlines())
    assert {Path(row["photo"]).stem: row.get("reason") for row in rows} == {
        "empty": "empty_file",
        "text": "not_an_image",
        "good": None,
        "missing": "not_found",
    }
    assert "1 photos tagged, 3 failed" in done.stderr
    assert "not_an_image" in report.read_text()


def test_a_flipped_byte_is_one_line(run: Run, head_bundle: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(head_bundle, tmp_path / "bundle"))
    model = bytearray((folder / "head.onnx").read_bytes())
    model[len(model) // 2] ^= 1
    (folder / "head.onnx").write_bytes(model)
    np.save(tmp_path / "rows.npy", np.ones((1, 512), np.float32))
    score = ["score", tmp_path / "rows.npy", "--bundle", folder]
    for command in (score, ["bundle", "verify", folder]):
        assert "its digest differs from the manifest's" in error_line(run(*command), 2)
    assert run("doctor", "--bundle", folder).returncode == 2


def test_a_normalised_vector_has_its_reason(run: Run, head_bundle: Path, tmp_path: Path) -> None:
    vectors = np.random.default_rng(6).normal(0, 0.5, (3, 512)).astype(np.float32)
    vectors[1] /= np.linalg.norm(vectors[1])
    np.save(tmp_path / "rows.npy", vectors)
    done = run("score", tmp_path / "rows.npy", "--bundle", head_bundle)
    line = error_line(done, 1)
    assert "normalised_vector" in line
    assert "was L2-normalised" in line
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["status"] for row in rows] == ["ok", "failed", "ok"]
    assert rows[1].keys() == {"row", "status", "reason", "detail"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("tag PHOTO --bundle TMP/nowhere", "there is no such folder; make one with"),
        ("tag PHOTO --bundle BUNDLE --out TMP/missing/tags.jsonl", "there is no folder"),
        ("tag PHOTO --bundle BUNDLE --out PHOTO", "is read by this command"),
        ("tag PHOTO --bundle BUNDLE --out TMP/x --report TMP/x", "is written by this command"),
        ("tag PHOTO --bundle BUNDLE --out -", "not a file name"),
        ("tag PHOTO --bundle BUNDLE --out BUNDLE/tags.csv", "is in the bundle"),
        ("score PHOTO --bundle BUNDLE", "is neither Parquet, JSON Lines nor a numpy array"),
        ("tag TMP --bundle BUNDLE", "no photos in"),
        ("tag PHOTO", "Missing option '--bundle'"),
        ("nonsense", "No such command 'nonsense'"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_status_2(
    run: Run, bundle: Path, photo: Path, tmp_path: Path, words: str, message: str
) -> None:
    before = photo.read_bytes()
    for name, place in {"PHOTO": photo, "BUNDLE": bundle, "TMP": tmp_path}.items():
        words = words.replace(name, str(place))
    assert message in error_line(run(*words.split()), 2)
    assert list(tmp_path.iterdir()) == []
    assert photo.read_bytes() == before


def test_output_that_ends_early_and_a_full_one_are_named(bundle: Path, scenes: Path) -> None:
    words = ("tag", scenes, "--bundle", bundle)
    assert "Traceback" not in run_program(*words, shell="| true").stderr
    line = error_line(run_program(*words, shell="> /dev/full"), 2)
    assert "standard output cannot be written (No space left on device): make room" in line


def test_bundle_show_and_doctor_say_what_it_holds(run: Run, bundle: Path) -> None:
    shown, found = run("bundle", "show", bundle), run("doctor", "--bundle", bundle)
    assert shown.returncode == found.returncode == 0, found.stdout
    for words in ("stand-in weights random:0", "visual.fp32.onnx", "distance known: Aerial 0.50"):
        assert words in shown.stdout
    advice = "advice         export with --precision "
    for words in ("stand-in weights, not CLIP's", "onnxruntime", advice):
        assert words in found.stdout


def test_control_characters_are_shown_as_text(run: Run, head_bundle: Path, tmp_path: Path) -> None:
    opened = Bundle.open(head_bundle)
    copy = Path(shutil.copytree(head_bundle, tmp_path / "model"))
    source = msgspec.structs.replace(opened.manifest.head, name="a\x1b]0;owned\x07\nhead trusted")
    manifest = msgspec.structs.replace(opened.manifest, name="\x1b[2J", head=source)
    (copy / "manifest.json").write_bytes(encode_manifest(manifest))
    for command in (["bundle", "show", copy], ["bundle", "verify", copy]):
        done = run(*command)
        assert done.returncode == 0
        assert "\x1b" not in done.stdout and "\nhead trusted" not in done.stdout
    assert "\x1b" not in run("doctor", "--bundle", copy).stdout


def test_a_labels_file_that_fits_no_photo_is_an_error(
    run: Run, bundle: Path, photo: Path, scenes: Path, tmp_path: Path
) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("photo,distance\nother.jpg,16\n")
    line = error_line(run("tag", photo, "--bundle", bundle, "--labels", labels), 2)
    assert "names none of the 1 photos" in line
    (tmp_path / "more.jpg").write_bytes(photo.read_bytes())
    given = [photo, tmp_path / "more.jpg", "--labels", scenes / "labels.csv"]
    done = run("tag", *given, "--bundle", bundle)
    assert done.returncode == 0
    assert "1 of 2 photos are not in" in done.stderr
    assert f"such as {tmp_path / 'more.jpg'}" in done.stderr


def test_photos_that_cannot_be_rows_of_a_dataset_are_named(
    run: Run, bundle: Path, photo: Path, tmp_path: Path
) -> None:
    folder, labels, out = tmp_path / "photos", tmp_path / "labels.csv", tmp_path / "data.parquet"
    folder.mkdir()
    for name in ("good", "far", "unnamed", "banana", "none"):
        shutil.copy(photo, folder / f"{name}.jpg")
    (folder / "empty.jpg").touch()
    command = ["embed", folder, "--labels", labels, "--bundle", bundle, "--out", out]
    rows = ("good,Inside,16", "far,Inside,banana", "empty,Inside,16", "banana,Banana,", "none,,")
    lines = ["photos/" + row.replace(",", ".jpg,", 1) for row in rows]
    labels.write_text("\n".join(["photo,types,distance", *lines]))
    done = run(*command)
    assert done.returncode == 1
    assert f"error: {folder / 'empty.jpg'}: empty_file: " in done.stderr
    assert f"error: {folder / 'far.jpg'}: bad_distance: " in done.stderr
    assert "unknown_tag: 'Banana'" in done.stderr
    assert "no_tag" in done.stderr
    assert f"1 photos are not in {labels} and are left out" in done.stderr
    assert f"1 photos embedded to {out}, 4 failed" in done.stderr
    dataset = out.read_bytes()
    assert pq.read_table(out).num_rows == 1

    labels.write_text("photo,types\nother.jpg,Inside\n")
    line = error_line(run(*command), 2)
    assert f"{labels} names none of the 6 photos that were given" in line
    assert out.read_bytes() == dataset
