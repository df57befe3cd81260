"""Commands as people and scripts meet them: output, messages, exit statuses."""

import json
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
from geograph_types.cli.main import main
from geograph_types.manifest import encode_manifest

Run: TypeAlias = Callable[..., subprocess.CompletedProcess[str]]


def run_program(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "geograph_types.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        capfd.readouterr()
        status = main([*map(str, arguments)])
        return subprocess.CompletedProcess(arguments, status, *capfd.readouterr())

    return run


def error_line(done: subprocess.CompletedProcess[str], status: int) -> str:
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_tag_writes_a_line_a_photo_and_names_the_stand_in(bundle: Path, scenes: Path) -> None:
    done = run_program("tag", scenes, "--bundle", bundle, "--labels", scenes / "labels.csv")
    assert done.returncode == 0
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [Path(row["photo"]).name for row in rows] == sorted(
        path.name for path in scenes.glob("*.jpg")
    )
    assert {row["status"] for row in rows} == {"ok"}
    assert {row["distance"]["basis"] for row in rows} >= {"positions"}
    assert sum("stand-in" in line for line in done.stderr.splitlines()) == 1


def test_a_bad_photo_costs_itself_only(run: Run, bundle: Path, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("not a photo")
    (tmp_path / "good.jpg").write_bytes(photo.read_bytes())
    report = tmp_path / "out" / "page.html"
    report.parent.mkdir()
    done = run("tag", tmp_path, tmp_path / "missing.jpg", "--bundle", bundle, "--report", report)
    assert done.returncode == 1
    reasons = {
        Path(row["photo"]).name: row.get("reason")
        for row in map(json.loads, done.stdout.splitlines())
    }
    assert reasons == {
        "empty.jpg": "empty_file",
        "text.jpg": "not_an_image",
        "good.jpg": None,
        "missing.jpg": "not_found",
    }
    assert "1 photos tagged, 3 failed" in done.stderr
    assert "not_an_image" in report.read_text()


@pytest.mark.parametrize(
    ("content", "fault"), [(b"", "empty_file"), (b"not a photo", "not_an_image")]
)
def test_a_single_bad_photo_is_one_line_and_status_1(
    run: Run, bundle: Path, tmp_path: Path, content: bytes, fault: str
) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    assert f"photo.jpg: {fault}: " in error_line(run("tag", path, "--bundle", bundle), 1)


def test_a_missing_bundle_is_one_line(run: Run, photo: Path, tmp_path: Path) -> None:
    line = error_line(run("tag", photo, "--bundle", tmp_path / "nowhere"), 2)
    assert "there is no such folder; make one with" in line


def test_a_flipped_byte_is_one_line(run: Run, head_bundle: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(head_bundle, tmp_path / "bundle"))
    model = bytearray((folder / "head.onnx").read_bytes())
    model[len(model) // 2] ^= 1
    (folder / "head.onnx").write_bytes(model)
    np.save(tmp_path / "rows.npy", np.ones((1, 512), np.float32))
    for command in (
        ["score", tmp_path / "rows.npy", "--bundle", folder],
        ["bundle", "verify", folder],
    ):
        assert "its digest differs from the manifest's" in error_line(run(*command), 2)
    assert run("doctor", "--bundle", folder).returncode == 2


def test_a_normalised_vector_is_refused_with_the_reason(
    run: Run, head_bundle: Path, tmp_path: Path
) -> None:
    vectors = np.random.default_rng(6).normal(0, 0.5, (3, 512)).astype(np.float32)
    vectors[1] /= np.linalg.norm(vectors[1])
    np.save(tmp_path / "rows.npy", vectors)
    done = run("score", tmp_path / "rows.npy", "--bundle", head_bundle)
    line = error_line(done, 1)
    assert "normalised_vector" in line
    assert "was L2-normalised" in line
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["status"] for row in rows] == ["ok", "failed", "ok"]
    assert rows[1] == {"row": 2, "status": "failed"} | {
        key: rows[1][key] for key in ("reason", "detail")
    }


def test_results_are_there_in_full_or_not_at_all(
    run: Run, bundle: Path, scenes: Path, tmp_path: Path
) -> None:
    out = tmp_path / "missing" / "tags.jsonl"
    line = error_line(run("tag", scenes, "--bundle", bundle, "--out", out), 2)
    assert "there is no folder" in line
    assert not out.exists()


def test_a_reader_that_leaves_early_is_no_traceback(bundle: Path, scenes: Path) -> None:
    command = f'"{sys.executable}" -m geograph_types.cli tag "{scenes}" --bundle "{bundle}" | true'
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert "Traceback" not in done.stderr


def test_standard_output_that_is_full_is_named(bundle: Path, scenes: Path) -> None:
    command = f'"{sys.executable}" -m geograph_types.cli tag "{scenes}" --bundle "{bundle}"'
    done = subprocess.run(["bash", "-c", f"{command} > /dev/full"], capture_output=True, text=True)
    line = error_line(done, 2)
    assert "standard output cannot be written (No space left on device): make room" in line


def test_a_system_that_is_not_supported_is_named() -> None:
    program = (
        "import sys; sys.modules['fcntl'] = None; from geograph_types.cli.main import main; "
        "sys.exit(main(['tag', 'x.jpg', '--bundle', 'model']))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "runs on Linux" in error_line(done, 2)


def test_usage_errors_are_one_line_and_status_2() -> None:
    assert "Missing option '--bundle'" in error_line(run_program("tag", "x.jpg"), 2)
    assert "No such command 'nonsense'" in error_line(run_program("nonsense"), 2)


def test_bundle_show_says_what_it_holds(run: Run, bundle: Path) -> None:
    done = run("bundle", "show", bundle)
    assert done.returncode == 0
    assert "stand-in weights random:0" in done.stdout
    assert "visual.fp32.onnx" in done.stdout
    assert "thresholds Aerial 0.50" in done.stdout


def test_what_a_terminal_would_act_upon_is_shown_as_text(
    run: Run, head_bundle: Path, tmp_path: Path
) -> None:
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


def test_doctor_finds_a_good_bundle_good(run: Run, bundle: Path) -> None:
    done = run("doctor", "--bundle", bundle)
    assert done.returncode == 0, done.stdout
    assert "stand-in weights, not CLIP's" in done.stdout
    assert "onnxruntime" in done.stdout
    assert "advice         export with --precision " in done.stdout


def test_a_folder_without_photos_is_an_error(run: Run, bundle: Path, tmp_path: Path) -> None:
    assert "no photos in" in error_line(run("tag", tmp_path, "--bundle", bundle), 2)


def test_no_output_costs_an_input_or_another_output(
    run: Run, bundle: Path, photo: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.jpg"
    mine.write_bytes(photo.read_bytes())
    for outputs, message in (
        (["--out", mine], "is read by this command"),
        (["--out", tmp_path / "x", "--report", tmp_path / "x"], "is written by this command"),
        (["--out", "-"], "not a file name"),
        (["--out", bundle / "tags.csv"], "is in the bundle"),
    ):
        assert message in error_line(run("tag", mine, "--bundle", bundle, *outputs), 2)
    assert mine.read_bytes() == photo.read_bytes()


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


def test_what_holds_no_rows_at_all_is_one_line(run: Run, head_bundle: Path, photo: Path) -> None:
    line = error_line(run("score", photo, "--bundle", head_bundle), 2)
    assert "is neither Parquet, JSON Lines nor a numpy array" in line


def test_photos_with_tags_that_do_not_exist_are_no_rows_of_a_dataset(
    run: Run, bundle: Path, photo: Path, tmp_path: Path
) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (tmp_path / name).write_bytes(photo.read_bytes())
    labels = tmp_path / "labels.csv"
    labels.write_text("photo,types\na.jpg,Banana\nb.jpg,\nc.jpg,Inside\n")
    out = tmp_path / "data.parquet"
    done = run("embed", tmp_path, "--labels", labels, "--bundle", bundle, "--out", out)
    assert done.returncode == 1
    assert "unknown_tag: 'Banana'" in done.stderr
    assert "no_tag" in done.stderr
    assert "1 photos embedded" in done.stderr


def test_photos_that_cannot_be_rows_of_a_dataset_are_named(
    tiny_bundle: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, labels, out = tmp_path / "photos", tmp_path / "labels.csv", tmp_path / "data.parquet"
    folder.mkdir()
    for name in ("good.jpg", "far.jpg", "unnamed.jpg"):
        shutil.copy(photo, folder / name)
    (folder / "empty.jpg").touch()
    command = ["embed", folder, "--labels", labels, "--bundle", tiny_bundle, "--out", out]
    command = [str(word) for word in command]
    labels.write_text(
        "photo,types,distance\n"
        "photos/good.jpg,Inside,16\nphotos/far.jpg,Inside,banana\nphotos/empty.jpg,Inside,16\n"
    )
    assert main(command) == 1
    said = capsys.readouterr().err
    assert f"error: {folder / 'empty.jpg'}: empty_file: " in said
    assert f"error: {folder / 'far.jpg'}: bad_distance: " in said
    assert f"1 photos are not in {labels} and are left out" in said
    assert f"1 photos embedded to {out}, 2 failed" in said
    dataset = out.read_bytes()
    assert pq.read_table(out).num_rows == 1

    labels.write_text("photo,types\nother.jpg,Inside\n")
    assert main(command) == 2
    assert f"{labels} names none of the 4 photos that were given" in capsys.readouterr().err
    assert out.read_bytes() == dataset
