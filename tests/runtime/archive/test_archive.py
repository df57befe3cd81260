"""`archive run` with the local engine: what it writes, passes over, makes again and refuses."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import pytest
from PIL import Image

from geograph_types.archive.items import InputItem, write_shards
from geograph_types.cli.main import main
from geograph_types.system.hosts import shown_address

Folder = dict[str, bytes]


def draw(folder: Path, count: int) -> Path:
    """Draw small photos in a folder and one below it, and two files that are no photos."""
    rng = np.random.default_rng(12)
    (folder / "below").mkdir(parents=True)
    for number in range(count):
        coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        place = folder / "below" if number % 3 else folder
        Image.fromarray(coarse).resize((64, 48)).save(place / f"{number:03}.jpg")
    (folder / "no.jpg").write_bytes(b"no photo")
    (folder / "below" / "empty.jpg").touch()
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return draw(tmp_path / "photos", 20)


def run(source: object, output: Path, bundle: Path, *more: object) -> int:
    arguments = ["archive", "run", "--input", source, "--output", output, "--bundle", bundle]
    return main([str(one) for one in (*arguments, "--threads-per-actor", 1, *more)])


def shards(output: Path) -> Folder:
    return {path.name: path.read_bytes() for path in sorted(output.glob("part-*.parquet"))}


def times(output: Path) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in output.glob("part-*.parquet")}


def table_of(output: Path) -> pa.Table:
    return pa.concat_tables([pq.read_table(path) for path in sorted(output.glob("part-*"))])


def error_of(capsys: pytest.CaptureFixture[str]) -> str:
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = [line for line in said.err.splitlines() if line.startswith("error: ")]
    return line


def test_shards_say_of_photos_what_tag_says(
    photos: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    output, tags = tmp_path / "out", tmp_path / "tags.parquet"
    assert run(photos, output, tiny_bundle, "--shard-photos", 8) == 1
    assert main(["tag", str(photos), "--bundle", str(tiny_bundle), "--out", str(tags)]) == 1
    table, plain = table_of(output), pq.read_table(tags)
    names = [str(photos / name) for name in table["photo"].to_pylist()]
    assert names == plain["photo"].to_pylist()
    for column in plain.column_names:
        if column not in ("photo", "p_aerial"):
            assert table[column].to_pylist() == plain[column].to_pylist(), column
    np.testing.assert_allclose(
        table["p_aerial"].to_pandas(), plain["p_aerial"].to_pandas(), atol=1e-6
    )
    assert [len(pq.read_table(path)) for path in sorted(output.glob("part-*"))] == [8, 8, 6]
    bad = {row["photo"]: row for row in table.to_pylist() if row["status"] == "failed"}
    assert {name: row["reason"] for name, row in bad.items()} == {
        "no.jpg": "not_an_image",
        "below/empty.jpg": "empty_file",
    }
    assert all(row["embeddings"] is None and row["tags"] is None for row in bad.values())
    # The whole folder, as other software opens it.
    assert pads.dataset(output, format="parquet").to_table().num_rows == len(table)
    assert len(pd.read_parquet(output)) == len(table)


def test_embeddings_of_a_run_can_be_run_again(
    photos: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    stored, output = tmp_path / "stored", tmp_path / "again"
    assert run(photos, stored, tiny_bundle, "--embeddings", "float32", "--shard-photos", 8) == 1
    assert run(stored, output, tiny_bundle) == 1
    first, second = table_of(stored), table_of(output)
    good = first.filter(pc.equal(first["status"], "ok"))
    assert second["gridimage_id"].drop_null().to_pylist() == good["gridimage_id"].to_pylist()
    assert second["tags"].to_pylist() == first["tags"].to_pylist()
    assert second["reason"].drop_null().to_pylist() == ["wrong_schema"] * 2
    assert len(shards(output)) == len(shards(stored)) == 3


def test_names_depend_on_the_input_alone_and_bytes_not_on_the_number_of_workers(
    photos: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(photos, moved)
    for path in photos.rglob("*.jpg"):
        os.utime(path, ns=(7, 7))
        os.utime(moved / path.relative_to(photos), ns=(7, 7))
    assert run(photos, tmp_path / "one", tiny_bundle, "--shard-photos", 8) == 1
    assert run(photos, tmp_path / "two", tiny_bundle, "--shard-photos", 8, "--actors", 2) == 1
    assert shards(tmp_path / "one") == shards(tmp_path / "two")
    assert run(moved, tmp_path / "three", tiny_bundle, "--shard-photos", 8) == 1
    assert shards(tmp_path / "one").keys() == shards(tmp_path / "three").keys()


def test_a_second_run_makes_what_is_missing_damaged_or_of_another_bundle(
    photos: Path,
    tiny_bundle: Path,
    another_bundle: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "out"
    assert run(photos, output, tiny_bundle, "--shard-photos", 8) == 1
    whole, kept = shards(output), times(output)
    missing, damaged, untouched = whole
    (output / missing).unlink()
    (output / damaged).write_bytes(whole[damaged][:-9])
    assert run(photos, output, tiny_bundle, "--shard-photos", 8) == 1
    assert "20 photos tagged, 2 failed: " in (said := capsys.readouterr().err)
    assert f"3 shards in {output}, 1 of them finished before" in said
    assert shards(output) == whole
    assert times(output)[untouched] == kept[untouched]
    other = another_bundle(tmp_path / "other", encoder=1, head=1)
    assert run(photos, output, other, "--shard-photos", 8) == 1
    assert "finished before" not in capsys.readouterr().err
    assert list(shards(output)) == list(whole)
    assert not set(shards(output).values()) & set(whole.values())


def test_a_photo_that_changed_changes_its_shard_alone_and_no_old_one_stays(
    photos: Path, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    assert run(photos, output, tiny_bundle, "--shard-photos", 8) == 1
    before = times(output)
    shutil.copy(photos / "000.jpg", photos / "no.jpg")
    capsys.readouterr()
    assert run(photos, output, tiny_bundle, "--shard-photos", 8) == 1
    assert "1 shards of an earlier state of the input removed" in capsys.readouterr().err
    after = times(output)
    assert len(after) == 3
    assert len(set(after.items()) & set(before.items())) == 2
    assert table_of(output)["status"].to_pylist().count("failed") == 1


def test_labels_give_distances_ids_and_reasons(
    photos: Path, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = tmp_path / "labels.csv"
    rows = ["photo,gridimage_id,types,distance", "photos/000.jpg,77,Inside,300"]
    labels.write_text("\n".join([*rows, "photos/003.jpg,78,,far"]))
    assert run(photos, tmp_path / "out", tiny_bundle, "--labels", labels) == 1
    found = {row["photo"]: row for row in table_of(tmp_path / "out").to_pylist()}
    first = found["000.jpg"]
    assert (first["gridimage_id"], first["types"], first["distance_metres"]) == (77, "Inside", 300)
    assert first["distance_source"] == "csv"
    assert found["003.jpg"]["reason"] == "bad_distance"
    assert found["006.jpg"]["distance"] == "Unknown"
    labels.write_text("photo,distance\n000.jpg,300\n")
    capsys.readouterr()
    assert run(photos, tmp_path / "none", tiny_bundle, "--labels", labels) == 2
    assert "the labels name none of the photos" in error_of(capsys)


def test_the_same_name_in_two_folders_and_names_that_are_no_text(
    photos: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    shutil.copy(photos / "000.jpg", photos / "below" / "000.jpg")
    shutil.copy(photos / "000.jpg", os.fsencode(photos) + b"/caf\xe9.jpg")
    shutil.copy(photos / "000.jpg", photos / "caf\\xe9.jpg")
    (photos / "link.jpg").symlink_to("000.jpg")
    assert run(photos, tmp_path / "out", tiny_bundle, "--shard-photos", 5) == 1
    names = table_of(tmp_path / "out")["photo"].to_pylist()
    assert {"000.jpg", "below/000.jpg", "link.jpg"} <= set(names)
    assert names.count("caf\\xe9.jpg") == 2


def test_a_folder_that_cannot_be_read_is_a_row_among_photos_and_stops_embeddings(
    photos: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    stored = tmp_path / "stored"
    assert run(photos, stored, tiny_bundle, "--shard-photos", 20) == 1
    for folder in (photos / "unlit", stored / "locked"):
        folder.mkdir()
        folder.chmod(0)
    obedient = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    obedient += ["--inh-caps", "-dac_override,-dac_read_search"]
    command = [*(obedient if os.geteuid() == 0 else []), sys.executable, "-m"]
    command += ["geograph_types.cli", "archive", "run", "--bundle", str(tiny_bundle)]

    def said(source: Path, output: Path) -> "subprocess.CompletedProcess[str]":
        places = ["--input", str(source), "--output", str(output)]
        return subprocess.run([*command, *places], capture_output=True, text=True)

    done = said(photos, tmp_path / "out")
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    reasons = {row["photo"]: row["reason"] for row in table_of(tmp_path / "out").to_pylist()}
    assert reasons["unlit"] == "unreadable"
    done = said(stored, tmp_path / "none")
    assert done.returncode == 2
    assert f"{stored / 'locked'} cannot be read (Permission denied)" in done.stderr


def test_a_file_of_embeddings_that_cannot_be_read_costs_itself(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = tmp_path / "rows"
    rows.mkdir()
    vectors = np.random.default_rng(1).normal(0, 0.5, (30, 512)).astype(np.float32)
    vectors[4] = 0
    np.save(rows / "a.npy", vectors)
    (rows / "b.parquet").write_bytes(b"PAR1 but no more")
    np.save(rows / "c.npy", vectors)
    assert run(rows, tmp_path / "out", tiny_bundle) == 1
    said = capsys.readouterr().err
    assert "58 rows tagged, 2 failed: 2 zero_vector; 2 shards" in said
    assert "1 files could not be read" in said
    assert f"error: {rows / 'b.parquet'} is not a readable Parquet file" in said
    assert len(shards(tmp_path / "out")) == 2
    assert table_of(tmp_path / "out")["file"].unique().to_pylist() == ["a.npy", "c.npy"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--input", "nowhere"], "nowhere is not a folder"),
        (["--input", "photos/no.jpg"], "photos/no.jpg is not a folder"),
        (["--input", "void"], "void has no photos or embeddings"),
        (["--input", "photos", "--kind", "embeddings"], "photos has no embeddings"),
        (["--input", "mixed"], "mixed has photos and files of embeddings: choose with --kind"),
        (["--input", "ftp://host/photos"], "an input is a folder, file:///FOLDER or s3://"),
        (["--output", "photos/out"], "in the folder of the input"),
        (["--output", "photos"], "in the folder of the input"),
        (["--output", "bundle/out"], "in the folder of the bundle"),
        (["--output", "void.txt"], "is a file: name a folder"),
        (["--output", "mixed"], "mixed has other files"),
        (["--ray-address", "127.0.0.1:1"], "--ray-address goes with --engine ray"),
        (["--precision", "int8"], "has no int8 encoder"),
        (["--device", "cuda"], "device 'cuda' is not available"),
        (["--labels", "none.csv"], "none.csv cannot be read"),
        (["--bundle", "void"], "has no manifest.json"),
    ],
)
def test_what_cannot_be_run_is_one_line_before_any_work(
    photos: Path,
    tiny_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_bundle, tmp_path / "bundle")
    (tmp_path / "void").mkdir()
    (tmp_path / "void.txt").touch()
    (tmp_path / "mixed").mkdir()
    shutil.copy(photos / "000.jpg", tmp_path / "mixed")
    np.save(tmp_path / "mixed" / "rows.npy", np.ones((2, 512), np.float32))
    given = {"--input": "photos", "--output": "out", "--bundle": "bundle"}
    given |= dict(zip(arguments[::2], arguments[1::2], strict=True))
    assert main(["archive", "run", *(word for pair in given.items() for word in pair)]) == 2
    assert message in error_of(capsys)
    assert not list(tmp_path.rglob("part-*"))
    assert not (tmp_path / "photos" / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--input", "others"], "another job (input "),
        (["--shard-photos", "9"], "another job (shard_size 8)"),
        (["--kind", "embeddings"], "another job (kind photos, shard_size 8)"),
    ],
)
def test_the_shards_of_another_job_are_left_alone(
    photos: Path,
    tiny_bundle: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    mixed, output = tmp_path / "mixed", tmp_path / "out"
    for folder in (mixed, tmp_path / "others"):
        shutil.copytree(photos, folder)
    np.save(mixed / "rows.npy", np.ones((2, 512), np.float32))
    options = ["--shard-photos", "8", "--kind", "photos"]
    assert run(mixed, output, tiny_bundle, *options) == 1
    whole = shards(output)
    capsys.readouterr()
    assert run(mixed, output, tiny_bundle, *options, *arguments) == 2
    assert message in (line := error_of(capsys))
    assert "name another folder" in line
    assert shards(output) == whole


def test_a_full_disk_ends_the_run_and_the_next_one_completes_it(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    photos, output, largest = draw(tmp_path / "many", 45), tmp_path / "out", 60_000
    assert max(path.stat().st_size for path in tiny_bundle.iterdir()) < largest
    shape = ["--shard-photos", "42", "--embeddings", "float32"]
    command = [sys.executable, "-m", "geograph_types.cli", "archive", "run", "--input", str(photos)]
    done = subprocess.run(
        [*command, "--output", str(output), "--bundle", str(tiny_bundle), *shape],
        capture_output=True,
        text=True,
        # What measures coverage writes a file of its own.
        env={name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest)),
    )
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "cannot be written (File too large): make room" in line
    assert not list(output.iterdir())
    assert run(photos, output, tiny_bundle, *shape) == 1
    assert len(shards(output)) == 2


@pytest.mark.parametrize(("workers", "number"), [(1, signal.SIGINT), (2, signal.SIGTERM)])
def test_an_interrupted_run_says_what_stays_and_leaves_no_process(
    tiny_bundle: Path, tmp_path: Path, workers: int, number: signal.Signals
) -> None:
    photos, output = draw(tmp_path / "many", 30), tmp_path / "out"
    command = [sys.executable, "-m", "geograph_types.cli", "archive", "run", "--input", str(photos)]
    command += ["--output", str(output), "--bundle", str(tiny_bundle), "--shard-photos", "2"]
    command += ["--actors", str(workers), "--threads-per-actor", "1"]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Whoever runs the tests in the background may have them ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    until = time.monotonic() + 60
    while process.poll() is None and not shards(output) and time.monotonic() < until:
        time.sleep(0.01)
    os.killpg(process.pid, number)
    _, said = process.communicate()  # ends when the last process that has the pipe does
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert "of 16 shards are finished and stay: run the same command again" in said
    assert 0 < len(shards(output)) < 16
    assert "decoder_died" not in table_of(output)["reason"].to_pylist()
    assert run(photos, output, tiny_bundle, "--shard-photos", 2) == 1
    assert {path.name for path in output.iterdir()} == shards(output).keys()
    assert len(shards(output)) == 16


def test_nothing_is_removed_where_a_part_of_the_input_is_missing(
    photos: Path, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    assert run(photos, output, tiny_bundle, "--shard-photos", 2) == 1
    before = set(shards(output))
    for photo in sorted(photos.glob("*.jpg"))[:12]:
        photo.rename(tmp_path / photo.name)
    capsys.readouterr()
    assert run(photos, output, tiny_bundle, "--shard-photos", 2) in (0, 1)
    assert "the input has shrunk" in capsys.readouterr().err
    assert before <= set(shards(output))


def test_secrets_of_an_address_are_not_shown() -> None:
    address = "s3://KEY:SECRET@bucket/photos?endpoint_override=127.0.0.1:9"
    assert shown_address(address) == "s3://bucket/photos"


def test_a_shard_is_a_fixed_run_of_the_input(tmp_path: Path) -> None:
    items = [InputItem(f"{number}.jpg".encode(), number, 0) for number in range(10)]
    with (tmp_path / "lists").open("wb") as lists:
        first = list(write_shards(items, 4, lists))
        longer = list(write_shards([*items, InputItem(b"z.jpg", 1, 0)], 4, lists))
    assert [shard.items for shard in first] == [4, 4, 2]
    assert [shard.file_name for shard in first][:2] == [shard.file_name for shard in longer][:2]
    assert first[2].file_name != longer[2].file_name
    assert first[0].file_name.startswith("part-000000-")
