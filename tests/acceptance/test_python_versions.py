"""The wheel on each Python that it names, in environments of their own."""

import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pytest
import requests
import safetensors.numpy
from clip_layouts import full_model
from wheels import ROOT, build_wheel, run

from geograph_types_export.weights.stand_in import stand_in_tower

PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
VERSIONS: Final = [
    found[1]
    for text in PROJECT["classifiers"]
    if (found := re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", text))
]


def interpreter(version: str) -> str:
    """Find a Python on the path, or among pyenv's."""
    pyenv = Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}")
    for found in filter(None, [*map(str, pyenv), shutil.which(f"python{version}")]):
        return found
    pytest.fail(f"this test needs Python {version}: install it, for instance with pyenv")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "weights.safetensors"
    tensors = full_model(stand_in_tower(0))
    safetensors.numpy.save_file({k: np.ascontiguousarray(v) for k, v in tensors.items()}, path)
    return path


@pytest.fixture(scope="module", params=VERSIONS)
def program(
    request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("environment")
    run(interpreter(request.param), "-m", "venv", folder)
    extras = f"{wheel}[cpu,export,serve,parquet,xmp]"
    run(folder / "bin" / "python", "-m", "pip", "install", "--quiet", extras)
    yield folder / "bin" / "geograph-types"
    shutil.rmtree(folder)


def test_a_bundle_is_built_tags_and_serves(
    program: Path, weights: Path, checkpoint: Path, scenes: Path, photo: Path, tmp_path: Path
) -> None:
    bundle = tmp_path / "model"
    run(
        *(program, "bundle", "build", "--head", checkpoint, "--weights", weights),
        *("--precision", "fp32", "--bundle", bundle),
    )
    out = tmp_path / "tags.jsonl"
    run(program, "tag", scenes, "--bundle", bundle, "--catalog", tmp_path / "c", "--out", out)
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert {row["status"] for row in rows} == {"ok"}
    command = [program, "serve", "--bundle", bundle, "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as serving:
        assert serving.stderr is not None
        try:
            lines = iter(serving.stderr.readline, "")
            address = next(f[1] for f in (re.search(r"(http://\S+)", s) for s in lines) if f)
            files = {"photo": photo.read_bytes()}
            answer = requests.post(f"{address}/tag", files=files, timeout=60)
        finally:
            serving.terminate()
    (row,) = [row for row in rows if row["photo"] == str(photo)]
    said = answer.json()["probabilities"]
    assert said == pytest.approx(row["probabilities"], abs=1e-3)
    assert serving.returncode == 0
    print(run(program.with_name("python"), "-VV").strip(), "tags", row["tags"])
