"""Fixtures that several folders of tests share: one small model, made by the real commands."""

import os
import shutil
from pathlib import Path

import pytest
import torch

from geograph_types.cli.main import main
from geograph_types_trainer.checkpoint import save_checkpoint
from geograph_types_trainer.head import TypeHead
from geograph_types_trainer.scenes import write_scenes

REFERENCE = os.environ.get("GEOGRAPH_TYPES_REFERENCE")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out the checks against the reference data where there is none: they are additional."""
    if not REFERENCE:
        items[:] = [item for item in items if "reference" not in getattr(item, "fixturenames", ())]


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of reference data that GEOGRAPH_TYPES_REFERENCE names."""
    return Path(REFERENCE or "")


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained head in the form in which Geograph releases its own."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        head = TypeHead()
    path = tmp_path_factory.mktemp("checkpoint") / "head.pth"
    save_checkpoint(head.eval(), path, epoch=3, loss=0.5)
    return path


@pytest.fixture(scope="session")
def head_bundle(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with a head and no encoder; not to be changed."""
    folder = tmp_path_factory.mktemp("head-bundle") / "bundle"
    assert main(["export", "head", str(checkpoint), "--bundle", str(folder)]) == 0
    return folder


@pytest.fixture(scope="session")
def bundle(head_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with a stand-in encoder and an untrained head; not to be changed."""
    folder = tmp_path_factory.mktemp("bundle") / "bundle"
    shutil.copytree(head_bundle, folder)
    assert main(["export", "encoder", "--weights", "random:0", "--bundle", str(folder)]) == 0
    return folder


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two drawn photos of each class, with their labels; not to be changed."""
    folder = tmp_path_factory.mktemp("scenes")
    write_scenes(folder, per_class=2, seed=3)
    return folder


@pytest.fixture(scope="session")
def photo(scenes: Path) -> Path:
    """One drawn photo."""
    return min(scenes.glob("*.jpg"))
