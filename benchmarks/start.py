"""Measure the way from the start of a process to the first tag of one photo, and its memory."""

import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from contenders.interface import Given
from contenders.traced_towers import traced_tower
from geograph_types import Bundle
from geograph_types.errors import BackendError, InputError
from measuring.rounds import turns
from measuring.workspace import HEAD, make_photo
from reporting.figures import Results

SCRIPTS: Final = Path(__file__).parent / "first_tag"
OURS: Final = "ours, int8"
MEMORY_LINE: Final = re.compile(r"^(VmRSS|VmHWM):\s+(\d+) kB$", re.MULTILINE)


def measure_start(given: Given, threads: int, rounds: int, say: Callable[[str], None]) -> Results:
    """Tag one photo in new processes, in turn, after one round that is not counted.

    That first round leaves all files in the system's page cache.
    """
    commands = _commands(given, threads)
    results = Results()
    results.notes.append(f"threads {threads}, {rounds} rounds, files in the page cache")
    found: dict[str, list[tuple[float, float, float]]] = {way: [] for way in commands}
    for number, way in turns(commands, rounds + 1):
        say(f"starting, round {number} of {rounds}: {way}")
        measured = _start(way, commands[way])
        if number:
            found[way].append(measured)
    for way, measurements in found.items():
        seconds, resident, peak = zip(*measurements, strict=True)
        results.add("to the first tag", way, "s", seconds)
        results.add("memory then", way, "MB", resident)
        results.add("memory at most", way, "MB", peak)
    return results


def _commands(given: Given, threads: int) -> dict[str, list[str]]:
    bundle = Bundle.open(given.bundle)
    for precision in ("fp32", "int8"):
        bundle.find("encoder", precision)
    bundle.find("head")
    photo = str(make_photo(given.work))
    others = [str(threads), str(given.weights), str(given.work / HEAD), photo]
    ours = [str(threads), str(given.bundle), photo]
    head = given.bundle / bundle.find("head").path
    traced = [str(threads), str(traced_tower(given)), str(head), photo]
    return {
        OURS: _python("ours.py", "int8", *ours),
        "ours, fp32": _python("ours.py", "fp32", *ours),
        "traced ONNX, fp32": _python("traced_onnx.py", *traced),
        "open_clip": _python("open_clip_model.py", *others),
        "open_clip, image tower only": _python("open_clip_tower.py", *others),
    }


def _python(script: str, *arguments: str) -> list[str]:
    return [sys.executable, str(SCRIPTS / script), *arguments]


def _start(way: str, command: list[str]) -> tuple[float, float, float]:
    """Return seconds to the first tag, and MB of memory then and at most."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        if process.stdout is None:
            raise InputError("the process has no output")
        process.stdout.readline()
        seconds = time.perf_counter() - start
        status = process.stdout.read()
    memory = {name: int(kilobytes) * 1024 / 1e6 for name, kilobytes in MEMORY_LINE.findall(status)}
    if process.returncode or len(memory) < 2:
        raise BackendError(
            f"{way} ended with status {process.returncode}; what it said is above "
            "(memory is read from /proc, which only Linux has)"
        )
    return seconds, memory["VmRSS"], memory["VmHWM"]
