"""A part of a benchmark in a process of its own, so that its memory and its time are its own."""

import json
import subprocess
import sys
import time
from pathlib import Path


def run_child(script: str | Path, *arguments: object) -> dict[str, float]:
    """Run a script of Python; return the figures that it prints as JSON, and all `seconds`."""
    start = time.perf_counter()
    command = [sys.executable, str(script), *map(str, arguments)]
    printed = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    told: dict[str, float] = json.loads(printed)
    return {"seconds": time.perf_counter() - start} | told
