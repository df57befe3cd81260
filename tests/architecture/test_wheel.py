"""The built wheel with only the cpu extra, in an empty virtual environment."""

import json
from pathlib import Path

import pytest
from wheels import build_wheel, install, run, run_clean


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    wheel = build_wheel(tmp_path_factory.mktemp("wheel"))
    return install(wheel, "cpu", tmp_path_factory.mktemp("venv"))


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
        (["bundle", "build", "--head", "released:v1", "--bundle", "new"], "export"),
        (["score", "data.parquet", "--bundle", "model"], "parquet"),
        (["serve", "--bundle", "model"], "serve"),
        (["tag", ".", "--bundle", "model", "--xmp"], "xmp"),
    ],
)
def test_a_command_names_the_extra_that_it_lacks(
    environment: Path, tiny_bundle: Path, tmp_path: Path, command: list[str], extra: str
) -> None:
    (tmp_path / "data.parquet").write_bytes(b"PAR1")
    (tmp_path / "photo.jpg").touch()
    (tmp_path / "model").symlink_to(tiny_bundle)
    done = run_clean(environment / "geograph-types", *command, cwd=tmp_path)
    assert done.returncode == 2
    assert f"pip install 'geograph-types[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr
