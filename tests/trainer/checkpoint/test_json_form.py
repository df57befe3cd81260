"""`checkpoint export RUN head.json`: what other languages read gives the same probabilities."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geograph_types.cli.main import main
from geograph_types.tagger import TypeTagger
from geograph_types.taxonomy import CLASSES

IN_NODE = """
const { metadata, state_dict: w } = JSON.parse(require("fs").readFileSync(process.argv[1]));
const layer = (x, name) => w[`${name}.weight`].map(
  (row, i) => row.reduce((sum, value, j) => sum + value * x[j], w[`${name}.bias`][i]));
const { embedding, buckets } = JSON.parse(require("fs").readFileSync(0));
console.log(JSON.stringify(buckets.map((bucket) => {
  const hidden = layer([...embedding, ...w["dist_emb.weight"][bucket]], "fc.0");
  return layer(hidden.map((x) => Math.max(x, 0)), "fc.3").map((x) => 1 / (1 + Math.exp(-x)));
})));
"""


def in_python(file: Path, embedding: list[float], buckets: list[int]) -> list[list[float]]:
    layers = {n: np.array(v) for n, v in json.loads(file.read_bytes())["state_dict"].items()}
    inputs = np.array([[*embedding, *layers["dist_emb.weight"][bucket]] for bucket in buckets])
    hidden = np.maximum(inputs @ layers["fc.0.weight"].T + layers["fc.0.bias"], 0)
    logits = hidden @ layers["fc.3.weight"].T + layers["fc.3.bias"]
    return (1 / (1 + np.exp(-logits))).tolist()  # type: ignore[no-any-return]


def in_node(file: Path, embedding: list[float], buckets: list[int]) -> list[list[float]]:
    if not (node := shutil.which("node")):
        pytest.skip("node is not installed")
    given = json.dumps({"embedding": embedding, "buckets": buckets})
    command = [node, "-e", IN_NODE, str(file)]
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


@pytest.mark.parametrize("keep", [False, True], ids=["as trained", "calibrated"])
@pytest.mark.parametrize("read", [in_python, in_node])
def test_head_json_gives_the_probabilities_of_the_bundle(
    read: Callable[[Path, list[float], list[int]], list[list[float]]],
    keep: bool,
    checkpoint: Path,
    dataset: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run, file, bundle = tmp_path / "run", tmp_path / "head.json", tmp_path / "bundle"
    assert main(["checkpoint", "import", str(checkpoint), "--out", str(run)]) == 0
    if keep:
        assert main(["evaluate", str(run), str(dataset), "--keep"]) == 0
    assert main(["checkpoint", "export", str(run), str(file)]) == 0
    assert main(["export", "head", str(run), "--bundle", str(bundle)]) == 0
    written: dict[str, Any] = json.loads(file.read_bytes())
    assert written["metadata"].keys() == {"clip_dim", "dist_embed_dim", "classes", "dist_map"}
    assert written["metadata"]["classes"] == list(CLASSES)
    assert len(written["state_dict"]["dist_emb.weight"]) == 24
    buckets = list(range(23))
    embedding = np.random.default_rng(3).normal(0, 0.45, 512).astype(np.float32)
    expected = TypeTagger(bundle).score_buckets(np.tile(embedding, (23, 1)), np.array(buckets))
    found = read(file, embedding.tolist(), buckets)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    capsys.readouterr()
    assert main(["checkpoint", "export", str(run), str(tmp_path / "head.pth")]) == 0
    assert ("calibration is left out" in capsys.readouterr().err) == keep
