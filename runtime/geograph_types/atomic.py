"""Files and folders that are there in full or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from geograph_types.errors import InputError

__all__ = ["new_file", "new_folder", "sync_folder"]

UMASK: Final = os.umask(0o022)
os.umask(UMASK)  # it can only be read by setting it


def sync_folder(folder: Path) -> None:
    """Make a rename in this folder outlast a power cut, where the system can."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Write a file under a temporary name; it takes its own name when the block ends well.

    A link is followed, and a file that is already there passes its permissions on.

    Raises:
        InputError: what is at `path` is no ordinary file, for instance a device or a folder.
        OSError: the folder cannot be written. What was at `path` stays.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        raise InputError(
            f"{path} is no ordinary file: give another name, or none to write to standard output"
        )
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~UMASK
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with open(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
        sync_folder(path.parent)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Fill a folder under a temporary name; it takes its own name when the block ends well.

    A folder that is already at `path` stays until then and is replaced as a whole.

    Raises:
        OSError: the parent folder cannot be written. What was at `path` stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part"))
    old = work.with_suffix(".old")
    try:
        work.chmod(0o755)
        yield work
        for file in work.iterdir():
            with file.open("rb") as stream:
                os.fsync(stream.fileno())
        sync_folder(work)
        if path.exists():
            path.rename(old)
        try:
            work.rename(path)
        except OSError:
            if old.exists():
                old.rename(path)
            raise
        sync_folder(path.parent)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        if path.exists():
            shutil.rmtree(old, ignore_errors=True)
