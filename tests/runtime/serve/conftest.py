"""One service for each module, with the tiny bundle."""

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from geograph_types.cli.main import main

TOKEN = "a-token-of-some-length"


@pytest.fixture(scope="module")
def start(start_service: Callable[..., Any], tiny_bundle: Path) -> Callable[..., Any]:
    """Start a service with options."""
    return partial(start_service, tiny_bundle)


@pytest.fixture(scope="module")
def service(start: Callable[..., Any]) -> Any:
    """A service with its defaults."""
    return start()


@pytest.fixture(scope="module")
def guarded(start: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A service that requires `TOKEN`."""
    file = tmp_path_factory.mktemp("token") / "token"
    file.write_text(f"{TOKEN}\n")
    return start("--token-file", str(file))


@pytest.fixture
def refusal(tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Start a service that cannot be, and return what it says."""

    def refused(*options: str, bundle: Path = tiny_bundle) -> str:
        assert main(["serve", "--bundle", str(bundle), *options]) == 2
        return capsys.readouterr().err

    return refused


@pytest.fixture(scope="session")
def make_jpeg() -> Callable[..., bytes]:
    """Draw a JPEG file: (seed, width, height)."""

    def make(seed: int = 0, width: int = 640, height: int = 480) -> bytes:
        pixels = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels).resize((width, height)).save(file, "JPEG", quality=90)
        return file.getvalue()

    return make
