"""Whether photos that are known are still where they were."""

import os
import stat

__all__ = ["is_gone", "was_moved"]


def is_gone(path: bytes) -> bool:
    """Whether there is no such file, or a folder; one that cannot be looked at may be there."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError as error:
        return isinstance(error, FileNotFoundError | NotADirectoryError)


def was_moved(path: bytes) -> bool:
    """Whether a file has gone and its drive has not: other things are beside its place."""
    try:
        return is_gone(path) and bool(os.listdir(os.path.dirname(path)))  # noqa: PTH120, PTH208
    except OSError:
        return False
