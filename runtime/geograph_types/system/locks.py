"""Locks on open files and folders, which the system lifts when their holder ends."""

import os
from typing import Final

from geograph_types.system import optional_module

FCNTL: Final = optional_module("fcntl")
MSVCRT: Final = optional_module("msvcrt")

LOCKS_NAMES: Final = FCNTL is not None
"""Whether folders, and files that are renamed or replaced meanwhile, can be locked: not on Windows,
which neither opens folders nor renames open files."""

UNUSED_BYTE: Final = 0x4000_0400
"""Windows keeps others from the bytes that are locked, so it is one that no SQLite file uses.

Source: SQLite's file format, "The Lock-Byte Page": of it, the first 512 bytes are SQLite's own.
"""


def lock(descriptor: int, wait: bool = False) -> None:
    """Lock an open file or folder against other processes, if the system can.

    Raises:
        BlockingIOError: another one has it, and this one is not to wait.
        OSError: its file system has no locks.
    """
    if FCNTL is not None:
        FCNTL.flock(descriptor, FCNTL.LOCK_EX | (0 if wait else FCNTL.LOCK_NB))
    elif MSVCRT is not None:
        os.lseek(descriptor, UNUSED_BYTE, os.SEEK_SET)
        try:
            MSVCRT.locking(descriptor, MSVCRT.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError(error.errno, error.strerror) from None
