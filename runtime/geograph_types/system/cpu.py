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

    The file system of version 2 is mounted at `cgroup`; `own` names the process's groups.
    """
    for folder in _own_folders("", cgroup, own):
        try:
            yield (folder / name).read_text("ascii")
        except (OSError, ValueError):
            continue


def _own_folders(controller: str, mount: Path, own: Path) -> list[Path]:
    """Return the folder of this process's group and those above it.

    Version 2 has one hierarchy without a controller's name, version 1 has one for each.

    Source: Linux `cgroups(7)`, "/proc/pid/cgroup"; its lines are "hierarchy:controllers:path".
    """
    try:
        lines = [line.split(":", 2) for line in own.read_text("ascii").splitlines()]
    except OSError:
        lines = []
    paths = [line[2] for line in lines if len(line) == 3 and controller in line[1].split(",")]
    parts = PurePosixPath(paths[0]).parts[1:] if paths else ()
    # In a container the path may be the host's, and only its end is found below the mount.
    ends = (mount.joinpath(*parts[start:]) for start in range(len(parts)))
    group = next((folder for folder in ends if folder.is_dir()), mount)
    return [folder for folder in (group, *group.parents) if folder.is_relative_to(mount)]


def usable_cpus(cgroup: Path = CGROUP, own: Path = OWN_GROUPS) -> int:
    """Count the processors that affinity and the cgroup's CPU quota leave, at least 1.

    Source: Linux `cgroups(7)`; `cpu.max` is version 2, `cpu.cfs_quota_us` version 1.
    """
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    return min([count, *(math.ceil(quota) for quota in _quotas(cgroup, own))])


def _quotas(cgroup: Path, own: Path) -> Iterator[float]:
    """Read the quotas that bind this process, in processors."""
    texts = [text.split() for text in group_settings("cpu.max", cgroup, own)]
    texts += _version_1_quotas(cgroup / "cpu", own)
    for text in texts:
        try:
            quota, period = text
            limit = int(quota) / int(period)
        except (ValueError, ZeroDivisionError):
            continue  # "max": none
        if limit > 0:
            yield limit


def _version_1_quotas(mount: Path, own: Path) -> Iterator[list[str]]:
    for folder in _own_folders("cpu", mount, own):
        try:
            yield [
                (folder / f"cpu.cfs_{part}_us").read_text("ascii") for part in ("quota", "period")
            ]
        except OSError:
            continue
