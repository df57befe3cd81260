"""Limits that the control groups around this process set: a container's, or a systemd unit's."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

__all__ = ["CGROUP", "OWN_GROUPS", "settings"]

CGROUP: Final = Path("/sys/fs/cgroup")
OWN_GROUPS: Final = Path("/proc/self/cgroup")


def settings(name: str, cgroup: Path = CGROUP, own: Path = OWN_GROUPS) -> Iterator[str]:
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
