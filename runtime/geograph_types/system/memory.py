"""Take no more memory than is needed, and return it to the system."""

import ctypes
import sys
from contextlib import suppress
from typing import Final

from geograph_types.system import optional_module

RESOURCE: Final = optional_module("resource")

M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3
M_ARENA_MAX: Final = -8
"""Options of `mallopt`. Source: glibc `malloc.h`."""


def return_freed_memory() -> None:
    """Return what this process has freed and the allocator would keep.

    Loading a model frees about as much as the model itself takes. Nothing happens if the C
    library is not glibc. Source: `malloc_trim(3)`.
    """
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def keep_little_memory() -> None:
    """Set the allocator to keep little, in a process whose threads take and free large buffers.

    Buffers from 1 MiB on go back to the system when they are freed; of smaller ones, two pools
    are kept in place of eight for each processor. Call it before threads are started. Nothing
    happens if the C library is not glibc. Source: `mallopt(3)`.
    """
    with suppress(OSError, AttributeError, TypeError):
        library = ctypes.CDLL(None)
        for option, value in (
            (M_ARENA_MAX, 2),
            (M_MMAP_THRESHOLD, 1 << 20),
            (M_TRIM_THRESHOLD, 8 << 20),
        ):
            library.mallopt(option, value)


def can_limit_memory() -> bool:
    """Return whether `limit_memory` does anything: macOS does not enforce what it can be told."""
    return RESOURCE is not None and sys.platform != "darwin"


def limit_memory(size: int) -> None:
    """Limit this process's private writable memory, and write no core; nothing on Windows.

    RLIMIT_AS would count libraries and reserved addresses as well.
    """
    if RESOURCE is None:
        return
    _, most = RESOURCE.getrlimit(RESOURCE.RLIMIT_DATA)
    limit = size if most == RESOURCE.RLIM_INFINITY else min(size, most)
    RESOURCE.setrlimit(RESOURCE.RLIMIT_DATA, (limit, limit))
    RESOURCE.setrlimit(RESOURCE.RLIMIT_CORE, (0, 0))
