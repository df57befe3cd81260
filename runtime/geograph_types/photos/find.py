"""Find photographs in folders."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from geograph_types.decoding.open import RAW_SUFFIXES, SUFFIXES

SYSTEM_FOLDERS: Final = frozenset({"lost+found", "$recycle.bin", "system volume information"})
"""What systems keep on a drive: deleted files, and folders that only they may enter."""


@dataclass(frozen=True, slots=True)
class NameFilter:
    """Which photos of a folder are meant, by shell patterns (`*`, `?`, `[...]`) in any case.

    A pattern with "/" is compared with the path from the folder that is searched, one without with
    each name on it: `private` leaves out all folders of that name.
    """

    include: tuple[str, ...] = ()  # a photo has to fit one of them, if there are any
    exclude: tuple[str, ...] = ()  # neither a photo nor a folder above it may fit one

    def takes(self, photo: Path) -> bool:
        """Check whether a photo is meant, by its path from the folder that is searched."""
        return not self.leaves_out(photo) and (
            not self.include or any(_fits(photo, pattern) for pattern in self.include)
        )

    def leaves_out(self, path: Path) -> bool:
        """Check whether a photo or folder is excluded by itself, whatever is above it."""
        return any(_fits(path, pattern) for pattern in self.exclude)


def _fits(path: Path, pattern: str) -> bool:
    text = path.as_posix() if "/" in pattern else path.name
    return fnmatchcase(text.casefold(), pattern.strip("/").casefold())


EVERY_NAME: Final = NameFilter()


def find_photos(
    paths: Iterable[Path],
    names: NameFilter = EVERY_NAME,
    on_link: Callable[[Path], object] = lambda _: None,
) -> Iterator[Path]:
    """List photos: files as they are given, folders searched through in the order of names.

    In a folder, a RAW file is left out if a photo of the same name is beside it. One that stands
    alone is listed, and so is whatever has a photo's name and is not one, such as an empty folder:
    opening it says why it cannot be used.

    Hidden files and folders are passed over, such as the `._` files of macOS, and so are a drive's
    own folders, such as its waste bin. Links to folders are not followed, so a loop of links cannot
    be entered. A path that does not exist is listed too: opening it raises the error.
    """
    for path in paths:
        if os.path.isdir(path):  # noqa: PTH112  Path.is_dir fails where a folder may not be entered
            yield from _in_folder(path, names, on_link)
        else:
            yield path


def real_path(path: Path) -> Path:
    """Follow links, for comparing; unlike with `Path.resolve`, a loop of links is not an error."""
    return Path(os.path.realpath(path))


def _in_folder(
    folder: Path, filtered: NameFilter, on_link: Callable[[Path], object]
) -> Iterator[Path]:
    unreadable: list[Path] = []
    for root, folders, files in os.walk(folder, onerror=lambda e: unreadable.append(e.filename)):
        here = Path(root)
        folders[:] = [name for name in folders if not is_passed_over(name)]
        files = [name for name in files if not name.startswith(".")]
        yield from map(Path, unreadable)
        unreadable.clear()
        inside = here.relative_to(folder)
        empty = not (files or folders)
        folders[:] = sorted(name for name in folders if not filtered.leaves_out(inside / name))
        photos = {name for name in files if _suffix(name) in SUFFIXES}
        taken = {Path(name).stem.casefold() for name in photos}
        listed = []
        for name in sorted(files):
            alone = _suffix(name) in RAW_SUFFIXES and Path(name).stem.casefold() not in taken
            if name in photos or alone:
                listed.append(name)
        links = [name for name in folders if (here / name).is_symlink()]
        listed += [name for name in links if _suffix(name) in SUFFIXES]
        for name in links:
            on_link(here / name)
        yield from (here / name for name in listed if filtered.takes(inside / name))
        if empty and _suffix(here.name) in SUFFIXES and (here == folder or filtered.takes(inside)):
            yield here
    yield from map(Path, unreadable)


def is_passed_over(folder: str) -> bool:
    """Check whether a folder of this name is not searched: a hidden one, or a drive's own."""
    return folder.startswith(".") or folder.casefold() in SYSTEM_FOLDERS


def _suffix(name: str) -> str:
    return Path(name).suffix.casefold()
