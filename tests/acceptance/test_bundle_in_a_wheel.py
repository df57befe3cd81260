"""A bundle within a Python package, as pip and uv install it: each byte of it counts."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from geograph_types import Bundle, TypeTagger
from geograph_types.errors import BundleError

PROJECT: Final = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "some-model"
version = "1"

[tool.hatch.build.targets.wheel]
packages = ["some_model"]
"""

INSTALLERS: Final = {
    "pip": ["pip", "install", "--no-deps"],
    "uv, hard links": ["uv", "pip", "install", "--link-mode", "hardlink"],
    "uv, symbolic links": ["uv", "pip", "install", "--link-mode", "symlink"],
}


@pytest.fixture(scope="module")
def package(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package")
    (folder / "pyproject.toml").write_text(PROJECT)
    shutil.copytree(tiny_bundle, folder / "some_model" / "bundle")
    build = [sys.executable, "-m", "build", "--wheel", "--outdir", folder, folder]
    subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.mark.parametrize("installer", INSTALLERS.values(), ids=INSTALLERS)
def test_it_works_and_each_byte_counts(
    installer: Sequence[str],
    package: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    command = [sys.executable, "-m", *installer, "--quiet", "--target", tmp_path / "site", package]
    subprocess.run(command, check=True)
    bundle = tmp_path / "site" / "some_model" / "bundle"
    files = sorted(bundle.iterdir())
    assert "hardlink" not in installer or all(file.stat().st_nlink > 1 for file in files)
    assert "symlink" not in installer or all(file.is_symlink() for file in files)
    tagger = TypeTagger(bundle)
    tagger.bundle.verify()
    assert tagger.embed_pixels(np.zeros((1, 224, 224, 3), np.uint8)).shape == (1, 512)
    for file in files:
        good = file.read_bytes()
        place = len(good) // 2
        file.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        with pytest.raises(BundleError):
            Bundle.open(bundle).verify()
        file.write_bytes(good)
