"""`score`: one file or a folder, to Parquet, JSON Lines or shards, resumed and compared."""

import base64
import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import pytest

from geograph_types import CLASSES, TypeTagger
from geograph_types.cli.main import main
from geograph_types.files.parquet_table import new_table
from geograph_types.manifest import decode_manifest, encode_manifest
from geograph_types.stored.batch import DatasetBatch
from geograph_types.stored.parquet import dataset_metadata
from geograph_types.tags import final_tags
from geograph_types.taxonomy import PROBABILITY_COLUMNS

TEXTS = ["16", "0", "", "Unknown", "1048576", "300.5"]
METRES = [16.0, 0.0, 0.0, None, 1048576.0, 300.5]


def vectors_of(count: int, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).normal(0, 0.45, (count, 512))
    values[:, 92] = -6.3
    return values.astype(np.float16).astype(np.float32)


def write_parquet(path: Path, vectors: np.ndarray) -> None:
    count = len(vectors)
    texts = [TEXTS[i % len(TEXTS)] for i in range(count)]
    ids, weights = np.arange(5000, 5000 + count), np.ones(count, np.float32)
    batch = DatasetBatch(ids, ["Extra"] * count, texts, vectors, weights, ["tra"] * count)
    with new_table(path) as table:
        table.write(batch.columns("float16"))


def write_lines(path: Path, vectors: np.ndarray) -> None:
    lines = [
        json.dumps(
            {
                "gridimage_id": 5000 + index,
                "distance": TEXTS[index % len(TEXTS)],
                "embeddings": base64.b64encode(vector.astype("<f4").tobytes()).decode(),
            }
        )
        for index, vector in enumerate(vectors)
    ]
    data = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(data, 1) if path.suffix == ".gz" else data)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    (folder / "more").mkdir(parents=True)
    write_parquet(folder / "a.parquet", vectors_of(30, 1))
    write_lines(folder / "a.jsonl", vectors_of(20, 2))
    write_lines(folder / "more" / "a.jsonl.gz", vectors_of(10, 3))
    (folder / ".b.jsonl.1.part").write_text("not yet")
    (folder / "notes.txt").write_text("no rows")
    return folder


def score(*arguments: object) -> int:
    return main(["score", *map(str, arguments)])


def test_parquet_has_the_probabilities_and_tags_of_the_tagger(
    head_bundle: Path, tmp_path: Path
) -> None:
    vectors = vectors_of(10_000, 7)
    write_parquet(tmp_path / "rows.parquet", vectors)
    out = tmp_path / "out.parquet"
    assert score(tmp_path / "rows.parquet", "--bundle", head_bundle, "--out", out) == 0
    table = pq.read_table(out)
    metres = [METRES[i % len(METRES)] for i in range(len(vectors))]
    tagger = TypeTagger(head_bundle)
    expected = tagger.score(vectors, metres)
    found = np.stack([table[PROBABILITY_COLUMNS[name]].to_numpy() for name in CLASSES], axis=1)
    assert np.abs(found - expected).max() <= 1e-6
    thresholds = tagger.bundle.manifest.thresholds
    columns = (table[name].to_pylist() for name in ("tags", "certain", "low_confidence"))
    buckets = table["distance_bucket"].to_pylist()
    for tags, certain, guess, bucket, row in zip(*columns, buckets, found.tolist(), strict=True):
        expected = final_tags(row, thresholds.at(bucket), None)
        assert (tuple(tags), tuple(certain), guess) == expected
    assert table["gridimage_id"].to_pylist() == list(range(5000, 15_000))
    assert table["distance"].to_pylist() == metres
    assert table["distance_bucket"].to_pylist()[:6] == [5, 0, 0, 22, 21, 9]
    kept = dataset_metadata(out)
    assert kept["model"] == tagger.bundle.label
    assert (kept["rows"], kept["failed"], kept["source"]) == (10_000, {}, "rows.parquet")


def test_lines_have_what_those_of_tag_have(
    head_bundle: Path, archive: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    assert score(archive / "a.jsonl", "--bundle", head_bundle, "--out", out) == 0
    line = json.loads(out.read_text().splitlines()[0])
    tagger = TypeTagger(head_bundle)
    wanted = tagger.predict(vectors_of(20, 2)[:1], [16])[0].as_dict()
    assert line.pop("probabilities") == pytest.approx(wanted.pop("probabilities"), abs=2e-7)
    assert line == {"row": 1, "gridimage_id": 5000, "status": "ok"} | wanted


def test_rows_of_an_array_have_no_id(head_bundle: Path, tmp_path: Path) -> None:
    vectors = vectors_of(5000, 8)
    np.save(tmp_path / "rows.npy", vectors)
    np.save(tmp_path / "half.npy", vectors.astype(np.float16))
    for name in ("rows", "half"):
        rows = tmp_path / f"{name}.npy"
        out = tmp_path / f"{name}.parquet"
        assert score(rows, "--bundle", head_bundle, "--out", out) == 0
    assert score(rows, "--bundle", head_bundle, "--out", tmp_path / "out.jsonl") == 0
    assert "gridimage_id" not in json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])
    whole, half = (pq.read_table(tmp_path / f"{n}.parquet") for n in ("rows", "half"))
    assert whole["gridimage_id"].null_count == 5000
    assert whole["p_extra"] == half["p_extra"]
    np.save(tmp_path / "columns.npy", np.asfortranarray(vectors))
    assert score(tmp_path / "columns.npy", "--bundle", head_bundle) == 2


def test_a_folder_gives_a_shard_an_input_and_goes_on_where_it_stopped(
    head_bundle: Path, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "scores"
    arguments = (archive, "--bundle", head_bundle, "--out", out)
    assert score(*arguments) == 0
    assert "60 rows scored" in capsys.readouterr().err
    shards = {path.relative_to(out).as_posix(): path for path in out.rglob("*") if path.is_file()}
    assert sorted(shards) == [
        "a.jsonl.scores.parquet",
        "a.parquet.scores.parquet",
        "more/a.jsonl.gz.scores.parquet",
    ]
    assert set(pq.read_table(shards["a.jsonl.scores.parquet"])["file"].to_pylist()) == {"a.jsonl"}
    assert pads.dataset(out).count_rows() == 60
    before = {name: path.stat().st_mtime_ns for name, path in shards.items()}
    shards["a.jsonl.scores.parquet"].unlink()
    assert score(*arguments) == 0
    assert "60 rows scored; 2 files were finished before" in capsys.readouterr().err
    after = {name: path.stat().st_mtime_ns for name, path in shards.items()}
    assert [name for name in shards if after[name] != before[name]] == ["a.jsonl.scores.parquet"]


def test_shards_of_another_bundle_are_not_taken_for_finished(
    head_bundle: Path, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "scores"
    assert score(archive, "--bundle", head_bundle, "--out", out) == 0
    other = Path(shutil.copytree(head_bundle, tmp_path / "other"))
    manifest = decode_manifest((other / "manifest.json").read_bytes())
    manifest.thresholds.known.tags["Extra"] = 0.25
    (other / "manifest.json").write_bytes(encode_manifest(manifest))
    capsys.readouterr()
    assert score(archive, "--bundle", other, "--out", out) == 2
    assert "was made from something else (other thresholds)" in capsys.readouterr().err
    write_lines(archive / "a.jsonl", vectors_of(21, 2))
    assert score(archive, "--bundle", head_bundle, "--out", out) == 2
    assert "other source_bytes" in capsys.readouterr().err


@pytest.mark.parametrize("changed", ["rows", "distances"])
def test_a_shard_of_changed_input_of_the_same_size_is_not_taken_for_finished(
    head_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], changed: str
) -> None:
    rows, distances, out = tmp_path / "a.npy", tmp_path / "metres.txt", tmp_path / "scores"
    np.save(rows, vectors_of(3, 3))
    distances.write_text("5\n5\n5\n")
    arguments = (rows, "--distances", distances, "--bundle", head_bundle, "--out", out)
    assert score(*arguments) == 0
    assert score(*arguments) == 0
    assert "1 files were finished before" in capsys.readouterr().err
    if changed == "rows":
        modified = rows.stat().st_mtime_ns
        np.save(rows, vectors_of(3, 4))
        os.utime(rows, ns=(modified, modified + 1_000_000_000))
    else:
        distances.write_text("9\n9\n9\n")
    assert score(*arguments) == 2
    assert f"other {'source_modified' if changed == 'rows' else 'distances_sha256'}" in (
        capsys.readouterr().err
    )


def test_a_damaged_shard_says_what_to_do(
    head_bundle: Path, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "scores"
    assert score(archive, "--bundle", head_bundle, "--out", out) == 0
    (out / "a.jsonl.scores.parquet").write_bytes(b"")
    assert score(archive, "--bundle", head_bundle, "--out", out) == 2
    assert "remove it to make it again" in capsys.readouterr().err


def test_a_damaged_file_costs_itself_and_is_tried_again(
    head_bundle: Path, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = (archive / "more" / "a.jsonl.gz").read_bytes()
    (archive / "more" / "a.jsonl.gz").write_bytes(whole[:-4000])
    out = tmp_path / "scores"
    assert score(archive, "--bundle", head_bundle, "--out", out) == 1
    errors = capsys.readouterr().err
    assert "a.jsonl.gz is cut off or damaged" in errors
    assert "50 rows scored; 1 files could not be read" in errors
    assert len([path for path in out.rglob("*") if path.is_file()]) == 2
    (archive / "more" / "a.jsonl.gz").write_bytes(whole)
    assert score(archive, "--bundle", head_bundle, "--out", out) == 0
    one = tmp_path / "all.parquet"
    assert score(archive, "--bundle", head_bundle, "--out", one) == 0
    table = pq.read_table(one)
    assert table.num_rows == 60
    assert table["file"].to_pylist()[::20] == ["a.jsonl", "a.parquet", "a.parquet"]


def test_where_nothing_can_be_read_nothing_is_written(
    head_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "archive").mkdir()
    for name in ("a.parquet", "b.jsonl", "c.npy"):
        (tmp_path / "archive" / name).write_bytes(b"PAR1 or nothing at all")
    out = tmp_path / "out.parquet"
    assert score(tmp_path / "archive", "--bundle", head_bundle, "--out", out) == 2
    assert "no Parquet file is written" in capsys.readouterr().err
    assert not out.exists()


def test_rows_of_no_rows_are_a_table_of_none(head_bundle: Path, tmp_path: Path) -> None:
    write_parquet(tmp_path / "rows.parquet", vectors_of(3, 1)[:0])
    out = tmp_path / "out.parquet"
    assert score(tmp_path / "rows.parquet", "--bundle", head_bundle, "--out", out) == 0
    assert pq.read_table(out).num_rows == 0
    assert "p_from_drone" in pq.read_table(out).column_names


def test_a_skipped_shard_with_bad_rows_still_gives_status_1(
    head_bundle: Path, archive: Path, tmp_path: Path
) -> None:
    with (archive / "a.jsonl").open("a") as stream:
        stream.write("no row\n")
    for _ in range(2):
        assert score(archive, "--bundle", head_bundle, "--out", tmp_path / "scores") == 1


def test_a_reader_that_leaves_early_ends_score_as_sigpipe_does(
    head_bundle: Path, tmp_path: Path
) -> None:
    write_parquet(tmp_path / "rows.parquet", vectors_of(20_000, 9))
    command = (
        f'"{sys.executable}" -m geograph_types.cli score "{tmp_path}/rows.parquet" '
        f'--bundle "{head_bundle}" | head -1; echo "${{PIPESTATUS[0]}}"'
    )
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    line, status = done.stdout.splitlines()
    assert json.loads(line)["row"] == 1
    assert status == "141"
    assert "error" not in done.stderr.lower()
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "x.csv"], "ends in .parquet or .jsonl"),
        (["--out", "-"], "not a file name"),
        (["--distances", "a.parquet"], "goes with one numpy array"),
        (["--diff", "b", "c"], "leave --bundle out"),
    ],
)
def test_what_does_not_go_together_is_an_error(
    head_bundle: Path,
    archive: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(archive)
    assert score(".", "--bundle", head_bundle, *arguments) == 2
    assert message in capsys.readouterr().err


def test_a_folder_without_rows_is_an_error(head_bundle: Path, tmp_path: Path) -> None:
    assert score(tmp_path, "--bundle", head_bundle) == 2
    assert score(tmp_path / "missing", "--bundle", head_bundle) == 2
