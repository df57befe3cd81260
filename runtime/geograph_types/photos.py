"""Find photographs in folders."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

__all__ = ["SUFFIXES", "find_photos"]

SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".avif"})
"""Names by which a folder's photos are told; a file that is named itself may have any name."""


def find_photos(paths: Iterable[Path]) -> Iterator[Path]:
    """List photos: files as they are given, folders searched through in the order of names.

    Links to folders are not followed, so a loop of links cannot be entered. A path that does not
    exist is listed too: opening it gives the error.
    """
    for path in paths:
        if path.is_dir():
            yield from _in_folder(path)
        else:
            yield path


def _in_folder(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            if Path(name).suffix.casefold() in SUFFIXES:
                yield Path(root) / name
