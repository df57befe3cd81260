"""The encoder's benchmark, with the contenders that the tests' own libraries bring."""

import json
import re
import subprocess
import sys
from pathlib import Path

from geograph_types import Bundle

ENCODER = Path(__file__).parents[2] / "benchmarks" / "encoder.py"
OURS, OPEN_CLIP = "ours, fp32", "open_clip, torch fp32"
INT8 = "ours, int8"
"""Left out: the tests' bundle has none."""


TWO_LAYERS = """
import functools, pathlib, runpy, sys
from geograph_types_export.weights import load
load.stand_in_tower = functools.partial(load.stand_in_tower, layers=2)
sys.argv.pop(0)
sys.path.insert(0, str(pathlib.Path(sys.argv[0]).parent))
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""The benchmark on a stand-in of two blocks in place of twelve."""


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", TWO_LAYERS, ENCODER, *map(str, arguments)],
        capture_output=True,
        text=True,
    )


def work_folder(bundle: Path, work: Path) -> Path:
    """The folder in which the benchmark keeps what it makes of this bundle's weights."""
    source = Bundle.open(bundle).manifest.encoder
    assert source is not None
    folder = work / source.sha256[:12]
    folder.mkdir(parents=True)
    return folder


def test_contenders_compute_the_same_and_one_that_fails_costs_itself(
    two_layer_bundle: Path, tmp_path: Path
) -> None:
    (work_folder(two_layer_bundle, tmp_path) / "traced.int8.onnx").write_bytes(b"\x08\x08cut off")
    out = tmp_path / "results.json"
    broken = "traced ONNX, dynamic int8"
    chosen = [part for name in (OURS, broken) for part in ("--contender", name)]
    sizes = ["--threads", 1, "--batch", 1, "--rounds", 2]
    done = run("--bundle", two_layer_bundle, "--work", tmp_path, *sizes, *chosen, "--json", out)
    assert done.returncode == 1, done.stderr
    assert f"error: {broken}: " in done.stderr
    results = json.loads(out.read_text())
    assert results["failed"] == [broken]
    assert f"* failed: {broken}: " in done.stdout
    assert f"* left out: {INT8}: not in the bundle" in done.stdout
    figures = {figure["name"]: figure for figure in results["figures"]}
    assert {OURS, OPEN_CLIP, "the floor, fp32"} <= figures.keys()
    assert not {INT8, broken} & figures.keys()
    for name in (OURS, OPEN_CLIP):
        assert figures[name]["group"] == "batch 1, threads 1"
        assert len(figures[name]["values"]) == 2
        assert min(figures[name]["values"]) > 0
        assert f"| {name} | " in done.stdout
    found = re.findall(
        r"^\* (.+): cosine with .* 1st percentile ([\d.]+)", done.stdout, re.MULTILINE
    )
    assert [name for name, _ in found] == [OURS]
    assert all(float(cosine) > 0.9999 for _, cosine in found)


def test_a_contender_that_does_not_exist_is_refused_with_those_that_do() -> None:
    done = run("--contender", "nonsense")
    assert done.returncode == 2
    assert f"'{OPEN_CLIP}'" in done.stderr


def test_a_bundle_of_other_weights_is_refused(bundle: Path, tmp_path: Path) -> None:
    done = run("--bundle", bundle, "--work", tmp_path, "--weights", "random:1")
    assert done.returncode == 2
    assert "name the bundle's weights with --weights" in done.stderr
    assert "Traceback" not in done.stderr
