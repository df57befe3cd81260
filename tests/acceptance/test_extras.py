"""The built wheel with each extra alone, in a virtual environment of its own.

Two of them bring torch and take gigabytes. The Makefile installs `acceptance`, `bench` and `dev`.
"""

import tomllib
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from command_tree import every_command
from wheels import ROOT, build_wheel, install, run, run_clean

IN_THE_MAKEFILE: Final = {"acceptance", "bench", "dev"}

OWN_MODULES: Final = {
    "cpu": ["onnxruntime"],
    "gpu": ["onnxruntime"],
    "parquet": ["geograph_types.stored.parquet", "geograph_types.files.parquet_table"],
    "archive": ["geograph_types.archive.object_storage", "isal"],
    "ray": ["geograph_types.archive.ray_engine", "ray.data"],
    "geo": ["geograph_types.distance.geodesy"],
    "heif": ["geograph_types.decoding.open", "pi_heif"],
    "xmp": ["geograph_types.sidecars.document"],
    "worker": ["geograph_types.worker.transport"],
    "serve": ["geograph_types.serve.app"],
    "train": ["geograph_types_trainer.training.loop", "geograph_types_trainer.evaluation.plots"],
    "export": ["geograph_types_export.bundle.make", "geograph_types_export.released"],
    "reference": ["geograph_types_export.bundle.make", "torch", "open_clip"],
}
"""What each extra is for, which has to be importable with nothing else."""

CALLS: Final = {
    "cpu": "score rows.npy --bundle bundle",
    "worker": "worker --url http://127.0.0.1:9/ --bundle bundle",
    "xmp": "sidecars undo bundle",
    "train": "train rows.npy --out run",
    "export": "bundle build --head released:v1 --bundle new",
}
"""A command that cannot do without each of these extras."""

ENOUGH: Final = {"gpu": "cpu", "reference": "export"}
"""Extras that are as good as another."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module", params=OWN_MODULES)
def extra(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def programs(wheel: Path, extra: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(wheel, extra, tmp_path_factory.mktemp(extra))


def test_every_extra_is_tried() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert OWN_MODULES.keys() == project["optional-dependencies"].keys() - IN_THE_MAKEFILE


def test_what_it_brings_fits_together_and_is_there(programs: Path, extra: str) -> None:
    run(programs / "python", "-m", "pip", "check")
    run(programs / "python", "-c", f"import {', '.join(OWN_MODULES[extra])}")


def test_the_program_starts_and_every_command_has_its_help(programs: Path) -> None:
    assert run(programs / "geograph-types", "--version").startswith("geograph-types ")
    walk = (
        "from geograph_types.cli.main import main\n"
        f"for words in {sorted(every_command())}:\n"
        "    assert main([*words.split(), '--help']) == 0, words"
    )
    shown = run(programs / "python", "-c", walk)
    assert shown.count("Example: geograph-types") == len(every_command())


def test_missing_extras(programs: Path, extra: str, tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "bundle").symlink_to(tiny_bundle)
    np.save(tmp_path / "rows.npy", np.full((1, 512), 0.48, np.float32))
    for missing in CALLS.keys() - {extra, ENOUGH.get(extra)}:
        done = run_clean(programs / "geograph-types", *CALLS[missing].split(), cwd=tmp_path)
        assert done.returncode == 2, done.stderr
        (line,) = done.stderr.splitlines()
        assert f"pip install 'geograph-types[{missing}]'" in line
