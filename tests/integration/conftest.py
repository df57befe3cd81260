"""The program, called as its users call it."""

import subprocess
from collections.abc import Callable
from typing import TypeAlias

import pytest

from geograph_types.cli.main import main

Done: TypeAlias = subprocess.CompletedProcess[str]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run a command in this process; with `status`, it must end with that."""

    def run(*words: object, status: int | None = None) -> Done:
        capfd.readouterr()
        done = Done(words, main([*map(str, words)]), *capfd.readouterr())
        assert status in (None, done.returncode), done.stderr
        return done

    return run
