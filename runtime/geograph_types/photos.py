"""Find photographs in folders."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

__all__ = ["RAW_SUFFIXES", "SUFFIXES", "find_photos", "real_path"]

SUFFIXES: Final = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".avif", ".heic", ".heif", ".hif"}
)
"""Names by which a folder's photos are told; a file that is named itself may have any name."""

RAW_SUFFIXES: Final = frozenset(
    {
        *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".iiq", ".kdc"),
        *(".mef", ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2", ".rwl"),
        *(".sr2", ".srf", ".srw", ".x3f"),
    }
)
"""Names of sensor data, which cameras write instead of a photo or beside it."""


def find_photos(paths: Iterable[Path]) -> Iterator[Path]:
    """List photos: files as they are given, folders searched through in the order of names.

    In a folder, a RAW file stands back for the photo of the same name beside it. One that stands
    alone is listed, and so is whatever has a photo's name and is none, such as an empty folder:
    opening it says why it cannot be used.

    Links to folders are not followed, so a loop of links cannot be entered. A path that does not
    exist is listed too: opening it gives the error.
    """
    for path in paths:
        if path.is_dir():
            yield from _in_folder(path)
        else:
            yield path


def real_path(path: Path) -> Path:
    """Follow links, for comparing; unlike `Path.resolve`, a loop of links is no error."""
    return Path(os.path.realpath(path))


def _in_folder(folder: Path) -> Iterator[Path]:
    unreadable: list[Path] = []
    for root, folders, files in os.walk(folder, onerror=lambda e: unreadable.append(e.filename)):
        here = Path(root)
        yield from map(Path, unreadable)
        unreadable.clear()
        folders.sort()
        photos = {name for name in files if _suffix(name) in SUFFIXES}
        taken = {Path(name).stem.casefold() for name in photos}
        for name in sorted(files):
            alone = _suffix(name) in RAW_SUFFIXES and Path(name).stem.casefold() not in taken
            if name in photos or alone:
                yield here / name
        links = [name for name in folders if (here / name).is_symlink()]
        yield from (here / name for name in links if _suffix(name) in SUFFIXES)
        if not (files or folders) and _suffix(here.name) in SUFFIXES:
            yield here


def _suffix(name: str) -> str:
    return Path(name).suffix.casefold()
