"""Memory of a process and all that it started (Linux)."""

import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

SECONDS_BETWEEN_LOOKS = 0.1


def run_watched(command: Sequence[str]) -> tuple[str, float]:
    """Return what a command prints, and the most memory of it and its children together, in MB."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, sum(_megabytes(pid) for pid in _family(process.pid)))
        time.sleep(SECONDS_BETWEEN_LOOKS)
    printed = process.stdout.read() if process.stdout else ""
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return printed, peak


def resident_megabytes(pid: int) -> float:
    """Return the resident memory of a process and all that it started, in MB.

    Pages count in full, those of libraries that others have loaded as well; pages that the
    processes of one family share count once for each.
    """
    return sum(_megabytes(member, "Rss:") for member in _family(pid))


def _family(pid: int) -> Iterator[int]:
    yield pid
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from _family(int(child))
    except OSError:
        return  # it has ended meanwhile


def _megabytes(pid: int, kind: str = "Pss:") -> float:
    """Read a process's memory of a kind, by default its share of it; 0 once it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(kind)), 0.0)
