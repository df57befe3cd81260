"""A file that nobody else can change, for as long as a library needs a path to read from."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def private_file() -> Iterator[tuple[BinaryIO, Path]]:
    """Open a file that is gone in the end: in memory on Linux, in a folder of its own elsewhere."""
    if sys.platform == "linux" and hasattr(os, "memfd_create"):
        with open(os.memfd_create("geograph-types", os.MFD_CLOEXEC), "w+b") as stream:
            path = Path("/proc/self/fd", str(stream.fileno()))
            # Without /proc, as in a bare chroot, such a file has no path.
            if path.exists():
                yield stream, path
                return
    # Windows removes no file that a library still has open.
    with tempfile.TemporaryDirectory(
        prefix="geograph-types-", ignore_cleanup_errors=True
    ) as folder:
        path = Path(folder, "content")
        with path.open("w+b") as stream:
            yield stream, path
