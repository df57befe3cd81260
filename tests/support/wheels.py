"""The built wheel, in virtual environments that hold nothing else."""

import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]


def run_clean(*command: object, **options: object) -> subprocess.CompletedProcess[str]:
    """Run a command that sees nothing of this process's Python."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "COV"))}
    return subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        env=environment,
        **options,  # type: ignore[call-overload]
    )


def run(*command: object) -> str:
    """Run such a command, which has to succeed; give its standard output."""
    done = run_clean(*command)
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


def build_wheel(folder: Path) -> Path:
    """Build this clone's wheel into a folder."""
    run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT)
    (built,) = folder.glob("*.whl")
    return built


def install(wheel: Path, extra: str, folder: Path, *more: str) -> Path:
    """Install the wheel with one extra, and more packages, into a new virtual environment.

    Returns:
        The environment's folder of programs.
    """
    return install_packages(folder, f"{wheel}[{extra}]", *more)


def install_packages(folder: Path, *packages: str) -> Path:
    """Install packages into a new virtual environment, and return its folder of programs."""
    venv.create(folder, with_pip=True)
    run(folder / "bin" / "python", "-m", "pip", "install", "--quiet", *packages)
    return folder / "bin"
