"""How many processors this process may use: the container's quota, not the host's count."""

import math
import os
from pathlib import Path
from typing import Final

__all__ = ["usable_cpus"]

CGROUP: Final = Path("/sys/fs/cgroup")


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
