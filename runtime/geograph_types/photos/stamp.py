"""What a file system tells of a file without opening it."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class FileStamp:
    """What tells without opening a file that it has not changed."""

    size: int
    mtime_ns: int
    ctime_ns: int  # later where a program has put the time of writing back

    @classmethod
    def of(cls, path: Path) -> "FileStamp | None":
        """Read it from the system; `None` if there is no such file."""
        try:
            status = path.stat()
        except (OSError, ValueError):
            return None
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def is_gone(path: Path | bytes) -> bool:
    """Check that there is no such file, or a folder; one that cannot be looked at may be there."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError as error:
        return isinstance(error, FileNotFoundError | NotADirectoryError)


def was_moved(path: Path | bytes) -> bool:
    """Check that a file has gone and its drive has not: other things are beside its place."""
    try:
        return is_gone(path) and bool(os.listdir(os.path.dirname(path)))  # noqa: PTH120, PTH208
    except OSError:
        return False
