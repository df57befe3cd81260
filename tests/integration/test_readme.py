"""Every command and snippet of the README runs, in its order, on drawn photos."""

import base64
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fake_geograph import FakeGeograph, serve

README = Path(__file__).parents[2] / "README.md"

COMMAND_BLOCK = re.compile(r"```bash\n(.*?)```", re.DOTALL)
PYTHON_BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


def commands() -> list[str]:
    text = README.read_text(encoding="utf-8")
    lines = [line for block in COMMAND_BLOCK.findall(text) for line in block.splitlines()]
    # Installation is tested with the built wheel; making things comes before using them.
    runnable = [line for line in lines if line.startswith("geograph-types ")]
    assert all(line in runnable or line.startswith("pip install ") for line in lines)
    makes = ("scenes", "export", "embed", "train")
    return sorted(runnable, key=lambda line: line.split()[1] not in makes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("readme")


@pytest.fixture
def server() -> Iterator[FakeGeograph]:
    """A server with five photos, in place of the one that the reader knows."""
    rng = np.random.default_rng(4)
    with serve(FakeGeograph()) as fake:
        for number in range(1, 6):
            vector = rng.normal(0, 0.45, 512).astype("<f4")
            data = base64.b64encode(vector.tobytes()).decode()
            fake.rows[number] = {"gridimage_id": number, "distance": "16", "embeddings": data}
        yield fake


def test_every_command_and_snippet_works(folder: Path, server: FakeGeograph) -> None:
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    for line in commands():
        words = [word.replace("$SERVER", server.url) for word in shlex.split(line)]
        done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
    assert server.answered() == set(server.rows)
    assert (folder / "page.html").stat().st_size > 10_000
    photo = next((folder / "photos").glob("*.jpg"))
    (folder / "photo.jpg").write_bytes(photo.read_bytes())
    (snippet,) = PYTHON_BLOCK.findall(README.read_text(encoding="utf-8"))
    done = subprocess.run(
        [sys.executable, "-c", snippet], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "Geograph" in done.stdout


def test_the_two_commands_on_top_are_targets_of_the_makefile() -> None:
    makefile = (README.parent / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^    make (\w+)", README.read_text(encoding="utf-8"), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
