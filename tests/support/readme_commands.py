"""The commands that the README shows, and a server for those that need one."""

import base64
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from fake_geograph import FakeGeograph, serve

__all__ = ["README", "readme_commands", "readme_server", "readme_snippet"]

README = Path(__file__).parents[2] / "README.md"

COMMAND_BLOCK = re.compile(r"```bash\n(.*?)```", re.DOTALL)
PYTHON_BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)

SHOWN, SMALLEST = "--seconds 6", "--seconds 1"


def readme_commands() -> list[str]:
    """Return the lines to type in a shell, in their order; a measurement is made shorter."""
    text = README.read_text(encoding="utf-8").replace(SHOWN, SMALLEST)
    return [line for block in COMMAND_BLOCK.findall(text) for line in block.splitlines()]


def readme_snippet() -> str:
    """Return the lines of Python."""
    (snippet,) = PYTHON_BLOCK.findall(README.read_text(encoding="utf-8"))
    return str(snippet)


@contextmanager
def readme_server() -> Iterator[FakeGeograph]:
    """Run a server with five photos, in place of the one that the reader knows."""
    rng = np.random.default_rng(4)
    with serve(FakeGeograph()) as fake:
        for number in range(1, 6):
            vector = rng.normal(0, 0.45, 512).astype("<f4")
            data = base64.b64encode(vector.tobytes()).decode()
            fake.rows[number] = {"gridimage_id": number, "distance": "16", "embeddings": data}
        yield fake
