"""What is said of a machine on which the models cannot run."""

import sys
from pathlib import Path

import pytest

from geograph_types.cli.main import main
from geograph_types.errors import BackendError
from geograph_types.session import Session


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
