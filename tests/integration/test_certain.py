"""Certain tags on their way into every output, and `tag --only certain`."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import requests
from fake_geograph import FakeGeograph, serve
from worker_rows import changed, draw_vector, encoded

from geograph_types import Bundle, TypeTagger
from geograph_types.cli.main import main
from geograph_types.taxonomy import CLASSES
from geograph_types.thresholds import CertainThreshold, Guarantee, StateThresholds, Thresholds

TAGS = dict.fromkeys(CLASSES, 0.4)
SURE = {name: CertainThreshold(0.6, 0.5) for name in CLASSES}
SURER = {name: CertainThreshold(0.9, 0.2) for name in CLASSES[:3]}


@pytest.fixture(scope="module")
def sure_bundle(
    another_bundle: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    states = StateThresholds(TAGS, SURE), StateThresholds(TAGS, SURER)
    folder = tmp_path_factory.mktemp("sure") / "bundle"
    return another_bundle(folder, head=1, thresholds=Thresholds(*states, Guarantee()))


def tagged(bundle: Path, scenes: Path, out: Path, *options: str) -> None:
    labels = ["--labels", str(scenes / "labels.csv"), "--out", str(out)]
    assert main(["tag", str(scenes), "--bundle", str(bundle), *labels, *options]) == 0


def test_every_output_has_them(sure_bundle: Path, scenes: Path, tmp_path: Path) -> None:
    catalog, page = tmp_path / "c.catalog", tmp_path / "page.html"
    lines, table, again = (tmp_path / name for name in ("o.jsonl", "o.csv", "o.parquet"))
    tagged(sure_bundle, scenes, lines, "--catalog", str(catalog), "--report", str(page))
    tagged(sure_bundle, scenes, table)
    assert main(["catalog", "export", str(catalog), "--out", str(again)]) == 0
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    thresholds = Bundle.open(sure_bundle).thresholds()
    for row in rows:
        at = thresholds.at(row["distance"]["bucket"])
        reached = {n for n, one in at.certain.items() if row["probabilities"][n] >= one.threshold}
        if row["cross_grid"] == "unknown":
            assert {tag.replace("Grid", "Far") for tag in row["certain"]} == reached
        assert set(row["certain"]) <= set(row["tags"])
    assert any(row["certain"] for row in rows)
    with table.open(newline="") as stream:
        cells = {row["photo"]: row["certain"] for row in csv.DictReader(stream)}
    assert cells == {row["photo"]: ",".join(row["certain"]) for row in rows}
    found = pq.read_table(again)
    assert sorted(found["certain"].to_pylist()) == sorted(row["certain"] for row in rows)
    source = page.read_text()
    assert source.count("<p class=good>certain: ") == sum(bool(row["certain"]) for row in rows)


def test_only_certain_leaves_the_others_out(
    sure_bundle: Path, tiny_bundle: Path, scenes: Path, tmp_path: Path, capsys: Any
) -> None:
    files = tmp_path / "all.jsonl", tmp_path / "few.jsonl"
    for file, options in zip(files, ([], ["--only", "certain"]), strict=True):
        tagged(sure_bundle, scenes, file, *options)
    whole, few = ([json.loads(line) for line in f.read_text().splitlines()] for f in files)
    assert [row["tags"] for row in few] == [row["certain"] for row in whole]
    assert not any(row["low_confidence"] for row in few)
    capsys.readouterr()
    tagged(tiny_bundle, scenes, files[0], "--only", "certain")
    assert "no certain thresholds" in capsys.readouterr().err
    assert main(["bundle", "show", str(sure_bundle)]) == 0
    assert "precision at least 0.95 with confidence 0.9" in capsys.readouterr().out


def test_the_service_says_so(
    start_service: Callable[..., Any], sure_bundle: Path, photo: Path
) -> None:
    service = start_service(sure_bundle)
    files = {"photo": photo.read_bytes()}
    answer = requests.post(f"{service.url}/tag", files=files, timeout=30).json()
    vector = TypeTagger(sure_bundle).embed([photo])[0].tolist()
    asked = {"embeddings": [vector], "distances": [None]}
    scored = requests.post(f"{service.url}/score", json=asked, timeout=30).json()
    assert answer["certain"] == scored["certain"][0]
    assert set(answer["certain"]) <= set(answer["tags"])


def test_the_workers_summary_counts_them(
    sure_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers = range(1, 21)
    vectors = [draw_vector(number) for number in numbers]
    with serve(FakeGeograph()) as api:
        for number, vector in zip(numbers, vectors, strict=True):
            api.rows[number] = changed(embeddings=encoded(vector))(number)
        words = ["worker", "--url", api.url, "--bundle", str(sure_bundle), "--once"]
        capsys.readouterr()
        assert main([*words, "--embeddings", "--state", str(tmp_path / "w.state")]) == 0
    predictions = TypeTagger(sure_bundle).predict(vectors, [16.0] * len(vectors))
    count = sum(len(prediction.certain) for prediction in predictions)
    assert count > 0
    assert f"20 labelled, {count} tags certain, 20 accepted" in capsys.readouterr().err
