"""How many processors this process may use: the container's quota, not the host's count."""

import math
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["stand_back", "usable_cpus"]

BACKGROUND: Final = 10
"""Of a scale from -20 (first) to 19 (last)."""

CGROUP: Final = Path("/sys/fs/cgroup")


def stand_back() -> None:
    """Give this thread, and those that it starts, a lower priority than the process has.

    Heavy work then leaves the processor at once to threads that answer. Nothing happens where
    threads have no priority of their own. Source: Linux `setpriority(2)`, "C library/kernel
    differences"; `sched(7)`.
    """
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), BACKGROUND)


def usable_cpus(cgroup: Path = CGROUP) -> int:
    """Count the processors that affinity and the cgroup's CPU quota leave, at least 1.

    Args:
        cgroup: where the control group file system is mounted.

    Source: Linux `cgroups(7)`; `cpu.max` is version 2, `cpu.cfs_quota_us` version 1.
    """
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    quota = _quota(cgroup)
    return count if quota is None else max(1, min(count, math.ceil(quota)))


def _quota(cgroup: Path) -> float | None:
    """Read the quota in processors, or `None` where there is none."""
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (cgroup / "cpu" / "cpu.cfs_quota_us").read_text()
            period = (cgroup / "cpu" / "cpu.cfs_period_us").read_text()
        except OSError:
            return None
    try:
        limit = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):
        return None
    return limit if limit > 0 else None
