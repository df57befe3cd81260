"""A server and workers for it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_geograph import FakeGeograph, serve


@pytest.fixture
def api() -> Iterator[FakeGeograph]:
    with serve(FakeGeograph()) as fake:
        yield fake


class Program:
    """Worker processes of one state file; what they say is kept together."""

    def __init__(self, folder: Path, bundle: Path, url: str) -> None:
        self.folder = folder
        self.arguments = ["worker", "--url", url, "--bundle", str(bundle)]
        self.arguments += ["--pause", "0.05", "--state", str(folder / "worker.state")]
        self.log = folder / "said.txt"

    def start(self, *more: object) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "geograph_types.cli", *self.arguments, *map(str, more)]
        with self.log.open("ab") as log:
            return subprocess.Popen(command, stderr=log, stdout=subprocess.DEVNULL, env=os.environ)

    def said(self) -> str:
        return self.log.read_text() if self.log.exists() else ""


@pytest.fixture
def program(tiny_bundle: Path, tmp_path: Path, api: FakeGeograph) -> Program:
    return Program(tmp_path, tiny_bundle, api.url)


@pytest.fixture
def work(
    tiny_bundle: Path, tmp_path: Path, api: FakeGeograph, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run a worker in this process: (exit status, standard output, standard error)."""
    from geograph_types.cli.main import main

    def run(*more: object, url: str = "", bundle: Path = tiny_bundle) -> tuple[int, str, str]:
        arguments = ["worker", "--url", url or api.url, "--bundle", str(bundle), "--pause", "0.01"]
        arguments += ["--state", str(tmp_path / "worker.state")]
        status = main([*arguments, *map(str, more)])
        said = capfd.readouterr()
        return status, said.out, said.err

    return run
