"""Give memory back to the system."""

import ctypes
from contextlib import suppress

__all__ = ["return_freed_memory"]


def return_freed_memory() -> None:
    """Return what this process has freed; the allocator would keep it for later, or for nothing.

    Loading a model frees about as much as the model itself takes. Nothing happens where the C
    library is not glibc. Source: `malloc_trim(3)`.
    """
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
