"""Measure the way from the start of a process to the first tag of one photo, and its memory."""

import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, Literal

import msgspec

from contenders.interface import Given
from contenders.traced_file import traced_tower
from geograph_types import Bundle
from geograph_types.errors import BackendError, InputError
from measuring.machine import Machine, this_machine
from measuring.spread import Spread, ratio, spread
from measuring.workspace import HEAD, make_photo

SCRIPTS: Final = Path(__file__).parent / "first_tag"
OURS: Final = "ours, int8"
MEMORY_LINE: Final = re.compile(r"^(VmRSS|VmHWM):\s+(\d+) kB$", re.MULTILINE)


class Start(msgspec.Struct, frozen=True):
    """How one way to tag a photo starts.

    Attributes:
        way: its name.
        seconds: from the start of the process to the first tag, of every round.
        resident: MB of memory after that tag, of every round.
        peak: MB of memory at most, of every round.
        time: over the rounds.
        of_ours: time as a multiple of our int8's in the same round.
    """

    way: str
    seconds: list[float]
    resident: list[float]
    peak: list[float]
    time: Spread
    of_ours: Spread


class StartResults(msgspec.Struct, frozen=True):
    """One run of this benchmark.

    Attributes:
        benchmark: "start".
        threads: of each process.
        rounds: in which every way was taken once.
        before: the machine before measuring.
        after: the machine after measuring.
        starts: by way, ours first.
    """

    benchmark: Literal["start"]
    threads: int
    rounds: int
    before: Machine
    after: Machine
    starts: list[Start]


def measure_start(
    given: Given, threads: int, rounds: int, say: Callable[[str], None]
) -> StartResults:
    """Tag one photo in new processes, in turn, after one round that is not counted.

    That first round leaves all files in the system's page cache.

    Args:
        given: weights and bundle; the bundle needs a head.
        threads: of each process.
        rounds: at least 1.
        say: takes a line about progress.

    Raises:
        BundleError: the bundle lacks an encoder or the head.
        BackendError: a process failed.
    """
    commands = _commands(given, threads)
    before = this_machine()
    found: dict[str, list[tuple[float, float, float]]] = {way: [] for way in commands}
    shuffled = random.Random(0)
    order = list(commands)
    for count in range(rounds + 1):
        say(f"starting, round {count} of {rounds}")
        shuffled.shuffle(order)
        for way in order:
            measured = _start(way, commands[way])
            if count:
                found[way].append(measured)
    return StartResults("start", threads, rounds, before, this_machine(), _summary(found))


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
    """Give seconds to the first tag, and MB of memory then and at most."""
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


def _summary(found: Mapping[str, list[tuple[float, float, float]]]) -> list[Start]:
    ours = [seconds for seconds, _, _ in found[OURS]]
    starts = []
    for way, measured in found.items():
        seconds, resident, peak = (list(values) for values in zip(*measured, strict=True))
        starts.append(Start(way, seconds, resident, peak, spread(seconds), ratio(seconds, ours)))
    return starts


def start_markdown(results: StartResults) -> Iterator[str]:
    """Show everything, line by line."""
    yield "# From the start of a process to the first tag of one photo"
    yield ""
    yield from results.before.markdown(results.after)
    yield f"* threads {results.threads}, {results.rounds} rounds, files in the page cache"
    yield ""
    yield "| way | seconds (quartiles) | time / ours int8 | MB resident then | MB at most |"
    yield "|---|---|---|---|---|"
    for start in results.starts:
        resident, peak = spread(start.resident).median, spread(start.peak).median
        yield (
            f"| {start.way} | {start.time.text(2)} | {start.of_ours.text(2)} "
            f"| {resident:.0f} | {peak:.0f} |"
        )
