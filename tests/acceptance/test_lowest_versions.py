"""The oldest versions that the docs and pyproject.toml name, in environments of their own."""

import json
import re
import tomllib
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from wheels import ROOT, build_wheel, install, install_packages, run

from geograph_types import TypeTagger
from geograph_types.cli.main import main

PAGE: Final = ROOT / "docs" / "other-languages.md"
DIFFERENCES: Final = {"fp32": 1e-4, "int8": 1e-3}
"""Of probabilities; in int8, a last bit of float32 can become a step of the rounding."""

PLAIN: Final = """
import sys
import numpy as np
import onnxruntime

inputs = np.load(sys.argv[1])
for model in sys.argv[2:]:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    wanted = {tensor.name: inputs[tensor.name] for tensor in session.get_inputs()}
    np.save(model + ".npy", session.run(["probabilities"], wanted)[0])
print(onnxruntime.__version__)
"""
"""What the page shows for Node.js, in Python."""


def test_the_oldest_onnxruntime_of_the_docs_runs_the_taggers(
    int8_bundle: Path, tmp_path: Path
) -> None:
    (oldest,) = re.findall(r"onnxruntime from ([\d.]+) on", PAGE.read_text(encoding="utf-8"))
    programs = install_packages(tmp_path / "venv", f"onnxruntime=={oldest}")

    rng = np.random.default_rng(4)
    pixels = rng.integers(0, 256, (4, 1, 1, 3)) + rng.integers(-40, 40, (4, 224, 224, 3))
    pixels = pixels.clip(0, 255).astype(np.uint8)
    buckets = np.array([0, 5, 11, 22])
    np.savez(tmp_path / "inputs.npz", pixels=pixels, distance_bucket=buckets)
    models = {precision: tmp_path / f"tagger.{precision}.onnx" for precision in DIFFERENCES}
    for model in models.values():
        model.symlink_to(int8_bundle / model.name)
    said = run(programs / "python", "-c", PLAIN, tmp_path / "inputs.npz", *models.values())
    assert said.startswith(f"{oldest}.")
    for precision, model in models.items():
        tagger = TypeTagger(int8_bundle, precision=precision)  # type: ignore[arg-type]
        expected = tagger.score_buckets(tagger.embed_pixels(pixels), buckets)
        found = np.load(f"{model}.npy")
        np.testing.assert_allclose(found, expected, rtol=0, atol=DIFFERENCES[precision])


def test_the_lowest_versions_of_pyproject_tag_a_photo(
    full_bundle: Path, int8_bundle: Path, photo: Path, tmp_path: Path
) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    bounds = [*project["dependencies"], *project["optional-dependencies"]["cpu"]]
    lowest = [bound.replace(">=", "==") for bound in bounds]
    programs = install(build_wheel(tmp_path / "wheel"), "cpu", tmp_path / "venv", *lowest)
    listed = json.loads(run(programs / "python", "-m", "pip", "list", "--format", "json"))
    installed = {package["name"]: package["version"] for package in listed}
    for name, version in (bound.split("==") for bound in lowest):
        assert f"{installed[name]}.".startswith(f"{version}.")
    for precision, bundle in {"fp32": full_bundle, "int8": int8_bundle}.items():
        words = ["tag", str(photo), "--bundle", str(bundle), "--out"]
        here, there = tmp_path / f"{precision}.jsonl", tmp_path / f"{precision}-lowest.jsonl"
        assert main([*words, str(here)]) == 0
        run(programs / "geograph-types", *words, there)
        found, expected = (json.loads(path.read_text())["probabilities"] for path in (there, here))
        assert found == pytest.approx(expected, abs=DIFFERENCES[precision])
