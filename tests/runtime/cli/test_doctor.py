"""What is said of a machine on which the models cannot run."""

import sys
import tomllib
from pathlib import Path

import pytest

from geograph_types.cli.main import main
from geograph_types.errors import BackendError
from geograph_types.session import Session
from geograph_types.system.cpu import usable_cpus

PROJECT = Path(__file__).parents[3] / "pyproject.toml"


def test_two_distributions_of_onnxruntime_are_found_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "onnxruntime_gpu-1.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: onnxruntime-gpu\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert main(["doctor"]) == 2
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("BAD")]
    assert "pip uninstall -y onnxruntime onnxruntime-gpu" in line


def test_without_onnxruntime_the_next_step_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert main(["doctor"]) == 2
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("BAD")]
    assert "pip install 'geograph-types[cpu]'" in line


def test_what_onnxruntime_refuses_is_one_line() -> None:
    with pytest.raises(BackendError, match=r"^onnxruntime \S+ refuses the model: .+$"):
        Session(b"no model", "cpu")


def test_a_machine_that_is_well_is_described(
    tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--bundle", str(tiny_bundle)]) == 0
    shown = capsys.readouterr().out
    assert f"{usable_cpus()} usable; " in shown
    assert " GiB available" in shown
    assert "CPUExecutionProvider" in shown
    assert "--precision int8" in shown
    assert "intact (MODEL_CARD.md, head.onnx" in shown
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    others = {"cpu", "gpu", "bench", "dev", "acceptance"}
    for extra in project["optional-dependencies"].keys() - others:
        (line,) = [line for line in shown.splitlines() if f"extra {extra} " in line]
        assert line.endswith(" installed")
