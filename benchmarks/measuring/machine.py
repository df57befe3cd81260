"""What was measured on: the machine, the versions, and how busy it was."""

import os
import re
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import msgspec

from geograph_types.cli.doctor import examine
from geograph_types.system.cpu import usable_cpus

LIBRARIES = (
    "geograph-types",
    "numpy",
    "pillow",
    "pyarrow",
    "ray",
    "isal",
    "onnx",
    "onnxruntime",
    "torch",
    "open_clip_torch",
    "transformers",
    "openvino",
    "nncf",
    "fastembed",
)
PROCESSOR_TIMES = Path("/proc/stat")
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
BUSY = 0.1
"""Share of a processor that others may take before their work disturbs the figures."""
LOOK_SECONDS = 1.0
STATES = 8
"""Columns of /proc/stat that add up to all time: those of guests are in others already."""
IDLE = (3, 4)
"""Of them, those in which a processor waits. Source: proc(5)."""


class Machine(msgspec.Struct, frozen=True):
    """A machine at a moment."""

    time: str  # UTC, in ISO 8601
    findings: dict[str, str]  # what `doctor` finds: Python, processors and their features, memory
    versions: dict[str, str]  # of the libraries that are installed
    threads: dict[str, str]  # settings of the environment that limit them
    cpus: int  # that this process may use
    # processes that wait or run, on average over the last minute, which the sections before fill
    load: float
    # processors that other processes took over a second; None if nobody looked
    taken: float | None = None

    @property
    def name(self) -> str:
        """A name for files: the processor's model and how many are usable."""
        model = self.findings["processors"].partition("; ")[2].partition(" with ")[0]
        words = re.findall(r"[a-z0-9]+", model.lower())
        return "-".join([*words, str(self.cpus), "cpus"])

    @property
    def busy(self) -> bool:
        """Whether others' work is likely to disturb what is measured from now on."""
        return self.taken is not None and self.taken > BUSY * self.cpus

    def markdown(self, after: "Machine") -> Iterator[str]:
        """Show it as lines of a list, with how busy it was before and after measuring."""
        yield from (f"* {what}: {state}" for what, state in self.findings.items())
        yield "* versions: " + ", ".join(
            f"{name} {version}" for name, version in self.versions.items()
        )
        settings = ", ".join(f"{name}={value}" for name, value in self.threads.items())
        yield f"* thread settings: {settings or 'none'}"
        yield f"* load average {self.load:.2f} before, {after.load:.2f} after"
        if self.busy:
            yield (
                f"* **noisy**: other processes took {self.taken:.2f} processors before measuring: "
                "they disturb it"
            )


def this_machine() -> Machine:
    """Look at this machine as it is now."""
    kept = ("python", "processors", "memory")
    return Machine(
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        findings={found.what: found.state for found in examine() if found.what in kept},
        versions={name: version for name in LIBRARIES if (version := _version(name))},
        threads={name: os.environ[name] for name in THREAD_VARIABLES if name in os.environ},
        cpus=usable_cpus(),
        load=_load(),
        taken=_taken(),
    )


def _load() -> float:
    """Return how many processes were at work in the last minute; Windows does not count them."""
    if sys.platform == "win32":
        return 0.0
    return os.getloadavg()[0]


def _taken() -> float:
    """Look for a second at how many processors are at work, this process asleep."""
    before = _processor_time()
    time.sleep(LOOK_SECONDS)
    passed = [now - then for now, then in zip(_processor_time(), before, strict=True)]
    waiting = sum(passed[column] for column in IDLE)
    return (os.cpu_count() or 1) * (1 - waiting / sum(passed))


def _processor_time() -> list[int]:
    line = PROCESSOR_TIMES.read_text(encoding="utf-8").partition("\n")[0]
    return [int(column) for column in line.split()[1 : 1 + STATES]]


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
