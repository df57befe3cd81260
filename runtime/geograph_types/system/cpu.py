"""How many processors this process may use: its control group's quota, not the host's count."""

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

CGROUP: Final = Path("/sys/fs/cgroup")
OWN_GROUPS: Final = Path("/proc/self/cgroup")


def group_settings(name: str, cgroup: Path = CGROUP, own: Path = OWN_GROUPS) -> Iterator[str]:
    """Read one setting of this process's group and of all groups above it; each of them binds.

    Args:
        name: of the setting's file, as "cpu.max".
        cgroup: where the file system of version 2 is mounted.
        own: the file in which the process's groups are named.

    Source: Linux `cgroups(7)`, "/proc/pid/cgroup"; in a container the path is relative to it.
    """
    try:
        lines = own.read_text().splitlines()
    except OSError:
        lines = []
    paths = [line.removeprefix("0::") for line in lines if line.startswith("0::/")]
    group = PurePosixPath(paths[0] if paths else "/")
    for folder in (group, *group.parents):
        try:
            yield (cgroup / folder.relative_to("/") / name).read_text()
        except (OSError, ValueError):
            continue


def usable_cpus(cgroup: Path = CGROUP, own: Path = OWN_GROUPS) -> int:
    """Count the processors that affinity and the cgroup's CPU quota leave, at least 1.

    Args:
        cgroup: where the control group file system is mounted.
        own: the file in which this process's groups are named.

    Source: Linux `cgroups(7)`; `cpu.max` is version 2, `cpu.cfs_quota_us` version 1.
    """
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    return min([count, *(math.ceil(quota) for quota in _quotas(cgroup, own))])


def _quotas(cgroup: Path, own: Path) -> list[float]:
    """Read the quotas that bind this process, in processors."""
    texts = [text.split() for text in group_settings("cpu.max", cgroup, own)]
    if not texts:
        try:
            first = cgroup / "cpu"
            texts = [[(first / f"cpu.cfs_{part}_us").read_text() for part in ("quota", "period")]]
        except OSError:
            return []
    found = []
    for text in texts:
        try:
            quota, period = text
            limit = int(quota) / int(period)
        except (ValueError, ZeroDivisionError):
            continue  # "max": none
        if limit > 0:
            found.append(limit)
    return found
