"""Files and folders that are there in full or not at all.

Each is written under one temporary name beside its own, `.NAME.part`, which its writer has locked.
The name is always the same, so that the next writer clears away what a killed one left. Windows
cannot lock it so: there each writer has a name of its own, and what a killed one left stays.
"""

import ctypes
import errno
import hashlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from geograph_types.errors import InputError
from geograph_types.system.locks import LOCKS_NAMES, lock

UMASK: Final = os.umask(0o022)
os.umask(UMASK)  # it can only be read by setting it

LONGEST_NAME: Final = 236
"""Bytes, of 255 that file systems have: a temporary name has 14 more where its first is in use."""

LOCK_SECONDS: Final = 60.0
LOCK_PAUSE_SECONDS: Final = 0.05
NO_LOCKS: Final = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})

HERE: Final = -100
"""AT_FDCWD: paths are relative to the working directory."""
RENAME_EXCHANGE: Final = 2
"""Source: renameat2(2)."""


NO_FOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)
USER: Final = getattr(os, "geteuid", int)


@contextmanager
def _opened(folder: Path) -> Iterator[int | None]:
    """Open a folder; `None` where that is impossible, as on Windows."""
    if not LOCKS_NAMES:
        yield None
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Write a rename in this folder to disk, so that it outlasts a power cut."""
    with _opened(folder) as descriptor:
        if descriptor is not None:
            os.fsync(descriptor)


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Write a file under a temporary name; it takes its own name when the block ends well.

    A link is followed, and a file that is already there passes its permissions on. If two write the
    same file at once, the one that ends last wins.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        raise InputError(
            f"{path} is not an ordinary file: name another, or none to write to standard output"
        )
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~UMASK
    part, descriptor = _part_file(path)
    try:
        with open(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
            part.chmod(mode)
            if LOCKS_NAMES:
                part.replace(path)  # while it is still locked
        if not LOCKS_NAMES:
            part.replace(path)
        sync_folder(path.parent)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Fill a folder under a temporary name; it takes its own name when the block ends well.

    A folder that is already at `path` stays until then and is replaced as a whole: in one step
    where the file system can exchange two names, as Linux's own can.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part, descriptor = _part_folder(path)
    try:
        part.chmod(0o755)
        yield part
        for file in part.iterdir():
            with file.open("rb" if LOCKS_NAMES else "r+b") as stream:
                os.fsync(stream.fileno())
        sync_folder(part)
        if path.exists():
            _replace_folder(part, path)
        else:
            part.rename(path)
        sync_folder(path.parent)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    finally:
        if descriptor is not None:
            os.close(descriptor)


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Lock a folder that is read, changed and then replaced by `new_folder` against other writers.

    They wait for some time. On Windows and file systems without locks nobody is kept away.
    """
    # Of the parent: it stays when the folder is replaced, and no file is left behind.
    with _opened(folder.parent) as descriptor:
        if descriptor is not None:
            _lock_in_time(descriptor)
        yield


def _lock_in_time(descriptor: int) -> None:
    end = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            return lock(descriptor)
        except BlockingIOError as error:
            if time.monotonic() > end:
                raise OSError(error.errno, "another program keeps its folder locked") from None
            time.sleep(LOCK_PAUSE_SECONDS)
        except OSError as error:
            if error.errno in NO_LOCKS:
                return None
            raise


def old_folder(path: Path) -> Path:
    """Return the place of the old folder if `new_folder` cannot exchange it for the new one.

    It is left there if a writer is killed at that moment.
    """
    return path.with_name(f".{path.name}.old")


def _part(path: Path) -> Path:
    """Return the temporary name of `path`: a digest if its name leaves no room for more."""
    name = os.fsencode(path.name)
    if len(name) > LONGEST_NAME:
        return path.with_name(f".{hashlib.blake2b(name, digest_size=16).hexdigest()}.part")
    return path.with_name(f".{path.name}.part")


def _part_file(path: Path) -> tuple[Path, int]:
    """Open the temporary file of `path` empty and locked, or another if that one is in use."""
    part = _part(path)
    # O_NONBLOCK: a pipe of that name must not keep us waiting.
    flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NONBLOCK", 0)
    descriptor = _locked(part, flags, stat.S_IFREG)
    if descriptor is not None:
        os.truncate(descriptor, 0)
        return part, descriptor
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f"{part.stem}.", suffix=".part")
    return Path(name), descriptor


def _part_folder(path: Path) -> tuple[Path, int | None]:
    """Open the temporary folder of `path` empty and locked, or another if that one is in use."""
    part = _part(path)
    if LOCKS_NAMES:
        part.mkdir(mode=0o700, exist_ok=True)
    descriptor = _locked(part, os.O_RDONLY, stat.S_IFDIR)
    if descriptor is None:
        part = Path(tempfile.mkdtemp(dir=path.parent, prefix=f"{part.stem}.", suffix=".part"))
        return part, os.open(part, os.O_RDONLY) if LOCKS_NAMES else None
    for left in part.iterdir():
        shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()
    return part, descriptor


def _locked(part: Path, flags: int, kind: int) -> int | None:
    """Open and lock what is ours alone; `None` if it is in use, or not what we would make."""
    if not LOCKS_NAMES:
        return None
    try:
        descriptor = os.open(part, flags | NO_FOLLOW, 0o600)
    except OSError:
        return None
    try:
        lock(descriptor)
        status, named = os.fstat(descriptor), part.lstat()
        is_file = kind == stat.S_IFREG
        # Another writer may have renamed it before it was locked here.
        same = (status.st_dev, status.st_ino) == (named.st_dev, named.st_ino)
        ours = status.st_uid == USER() and not (is_file and status.st_nlink != 1)
        if same and ours and stat.S_IFMT(status.st_mode) == kind:
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None


def _replace_folder(part: Path, path: Path) -> None:
    """Move the new folder to the old one's place, and remove the old one."""
    with _opened(path) as descriptor:
        # The old folder takes the temporary name, where other writers leave it alone if locked.
        if descriptor is not None:
            lock(descriptor, wait=True)
        if not _exchange(part, path):
            old = old_folder(path)
            if os.path.lexists(old):
                old = Path(
                    tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".old")
                )
            path.rename(old)
            try:
                part.rename(path)
            except OSError:
                old.rename(path)
                raise
            part = old
        shutil.rmtree(part, ignore_errors=True)


def _exchange(first: Path, second: Path) -> bool:
    """Exchange the names of two folders in one step; return whether the system could."""
    names = os.fsencode(first), os.fsencode(second)
    with suppress(OSError, AttributeError, TypeError):
        rename = ctypes.CDLL(None).renameat2
        return bool(rename(HERE, names[0], HERE, names[1], RENAME_EXCHANGE) == 0)
    return False
