"""Which photos a command is about: files, folders, or a list on standard input."""

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from geograph_types.errors import InputError
from geograph_types.photos import SUFFIXES, NameFilter, find_photos

__all__ = ["photos_of"]

STANDARD_INPUT: Final = Path("-")


def photos_of(given: Iterable[Path], include: Iterable[str], exclude: Iterable[str]) -> list[Path]:
    """List the photos that PHOTOS and patterns name, each once; "-" is a list on standard input.

    Raises:
        InputError: there are none.
    """
    paths = [path for one in given for path in (_listed() if one == STANDARD_INPUT else [one])]
    found = find_photos(paths, NameFilter(tuple(include), tuple(exclude)))
    photos = list({os.path.abspath(path): path for path in found}.values())  # noqa: PTH100
    if not photos:
        raise InputError(
            f"no photos in {', '.join(map(str, given))}: name files, or folders with "
            f"{', '.join(sorted(SUFFIXES))}"
        )
    return photos


def _listed() -> Iterator[Path]:
    """Read a path a line; where there is a NUL, as `find -print0` writes, they end with that."""
    data = sys.stdin.buffer.read()
    separator = b"\0" if b"\0" in data else b"\n"
    for line in data.split(separator):
        name = line if separator == b"\0" else line.removesuffix(b"\r")
        if name:
            yield Path(os.fsdecode(name))
