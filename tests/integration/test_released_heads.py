"""Heads that Geograph has released give, as ONNX, the probabilities that they give in torch."""

import json
from pathlib import Path

import numpy as np
import pytest

from geograph_types import CLASSES
from geograph_types.cli.main import main
from geograph_types.distance.distance import bucket_text


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_expected_probabilities(reference: Path, version: str, tmp_path: Path) -> None:
    heads = reference / "released-heads"
    expected = json.loads((heads / "expected.json").read_text())
    texts = [bucket_text(bucket) for bucket in expected["distance_bucket"]]
    (tmp_path / "distances.txt").write_text("\n".join(texts) + "\n")
    source = heads / f"best_geograph_model_{version}.pth"
    assert main(["export", "head", str(source), "--bundle", str(tmp_path / "bundle")]) == 0
    arguments = ["score", str(heads / "inputs.npy"), "--bundle", str(tmp_path / "bundle")]
    arguments += ["--distances", str(tmp_path / "distances.txt")]
    assert main([*arguments, "--out", str(tmp_path / "scores.jsonl")]) == 0
    rows = map(json.loads, (tmp_path / "scores.jsonl").read_text().splitlines())
    computed = [[row["probabilities"][name] for name in CLASSES] for row in rows]
    assert np.abs(np.array(computed) - expected["probabilities"][version]).max() <= 1e-6
