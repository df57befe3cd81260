"""What runs on this machine, from /proc."""

from collections.abc import Iterator
from pathlib import Path


def descendants(process: int) -> Iterator[int]:
    try:
        listed = [path.read_text() for path in Path(f"/proc/{process}/task").glob("*/children")]
    except OSError:
        return  # it has ended meanwhile
    for child in (int(pid) for children in listed for pid in children.split()):
        yield child
        yield from descendants(child)


def proportional_bytes(process: int) -> int:
    """Resident bytes of a process and of those that it started, shared ones in parts."""
    total = 0
    for pid in (process, *descendants(process)):
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))
    return total
