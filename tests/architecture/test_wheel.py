"""The built wheel with only the cpu extra, in an empty virtual environment."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*command: object) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "COV"))}
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=True)
    run(folder / "bin" / "python", "-m", "pip", "install", "--quiet", f"{wheel}[cpu]")
    return folder / "bin"


def test_a_photo_is_tagged_without_torch(
    environment: Path, bundle: Path, photo: Path, tmp_path: Path
) -> None:
    out = tmp_path / "tags.jsonl"
    page = tmp_path / "page.html"
    command = [environment / "geograph-types", "tag", photo, "--bundle", bundle]
    run(*command, "--out", out, "--report", page)
    (row,) = map(json.loads, out.read_text().splitlines())
    assert row["status"] == "ok"
    assert len(row["probabilities"]) == 7
    assert "</script>" in page.read_text(encoding="utf-8")
    packages = json.loads(run(environment / "python", "-m", "pip", "list", "--format", "json"))
    names = {package["name"].lower() for package in packages}
    assert "onnxruntime" in names
    assert not names & {
        "torch",
        "torchvision",
        "pyarrow",
        "open-clip-torch",
        "onnx",
        "scikit-learn",
    }


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        (["train", "data.parquet", "--out", "run"], "train"),
        (["worker", "--url", "http://127.0.0.1:9/", "--bundle", "model"], "worker"),
        (["bundle", "build", "--head", "released:v1", "--bundle", "model"], "export"),
    ],
)
def test_a_command_names_the_extra_that_it_lacks(
    environment: Path, tmp_path: Path, command: list[str], extra: str
) -> None:
    (tmp_path / "data.parquet").write_bytes(b"PAR1")
    done = subprocess.run(
        [environment / "geograph-types", *command], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 2
    assert f"pip install 'geograph-types[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr
