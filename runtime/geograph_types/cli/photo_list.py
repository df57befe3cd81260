"""Which photos a command is about: files, folders, or a list on standard input."""

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from geograph_types.cli.notices import note
from geograph_types.decoding.open import RAW_SUFFIXES, SUFFIXES
from geograph_types.errors import InputError
from geograph_types.photos.find import NameFilter, find_photos

STANDARD_INPUT: Final = Path("-")


def photos_of(given: Iterable[Path], include: Iterable[str], exclude: Iterable[str]) -> list[Path]:
    """List the photos that PHOTOS and patterns name, each once; "-" is a list on standard input."""
    given = list(given)
    away = [path for path in given if path != STANDARD_INPUT and not os.path.lexists(path)]
    # A photo that has gone is a row that says so. A folder would be one in place of its photos.
    folders = [path for path in away if path.suffix.casefold() not in SUFFIXES | RAW_SUFFIXES]
    if folders or len(away) == len(given):
        missing = folders or away
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise InputError(f"there is no {missing[0]}{more}: check the spelling, or mount the drive")
    paths = named_paths(given)
    links: list[Path] = []
    found = find_photos(paths, NameFilter(tuple(include), tuple(exclude)), links.append)
    photos = list({os.path.abspath(path): path for path in found}.values())  # noqa: PTH100
    if links:
        note(
            f"note: {len(links)} links to folders are not followed, such as {links[0]}: name those "
            "folders too if their photos are meant"
        )
    if not photos:
        raise InputError(
            f"no photos in {', '.join(map(str, given))}: name files, or folders with "
            f"{', '.join(sorted(SUFFIXES))}"
        )
    return photos


def named_paths(given: Iterable[Path]) -> list[Path]:
    """Return files and folders as they are named; "-" is a list of them on standard input."""
    return [path for one in given for path in (_listed() if one == STANDARD_INPUT else [one])]


def _listed() -> Iterator[Path]:
    """Read a path a line; where there is a NUL, as `find -print0` writes, they end with that."""
    data = sys.stdin.buffer.read()
    separator = b"\0" if b"\0" in data else b"\n"
    for line in data.split(separator):
        name = line if separator == b"\0" else line.removesuffix(b"\r")
        if name:
            yield Path(os.fsdecode(name))
