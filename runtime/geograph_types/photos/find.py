"""Find photographs in folders."""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from geograph_types.decoding.formats import RAW_SUFFIXES, SUFFIXES

SYSTEM_FOLDERS: Final = frozenset({"lost+found", "$recycle.bin", "system volume information"})
"""What systems keep on a drive: deleted files, and folders that only they may enter."""

COPIES: Final = (
    *("#recycle", "@recycle", "@recycle.bin", "recycler", "recycled", "lost.dir", "found.[0-9]*"),
    *(
        "#snapshot",
        "@snapshot",
        "@snapshots",
        "@recently-snapshot",
        "@gmt-*",
        "network trash folder",
    ),
    *("@eadir", "@tmp", "__macosx", "*.lrdata"),
    *("*.photoslibrary", "*.photolibrary", "*.aplibrary", "*.migratedphotolibrary"),
)
"""Names of bins, snapshots, thumbnails and libraries, whose photos are copies of others or gone."""

RAW_NAME: Final = re.compile(r"\.raw-[0-9]+(\.mp)?\.(cover|original)$")
"""Ending of the stems that Pixel telephones give a photo and its RAW file."""


class NameFilter:
    """Which photos of folders are meant, by shell patterns (`*`, `?`, `[...]`).

    A pattern with "/" is compared with the path from the folder that is searched, and may begin
    with that folder, as it was given or in full. One without is compared with each name, so that
    `private` leaves out all folders of that name. Case makes no difference, nor how letters with
    accents are encoded.
    """

    def __init__(self, include: Iterable[str] = (), exclude: Iterable[str] = ()) -> None:
        self._include = {pattern: _plain(pattern) for pattern in include}
        self._exclude = {pattern: _plain(pattern) for pattern in exclude}
        self._fitted: set[str] = set()

    def takes(self, folder: Path, inside: Path) -> bool:
        """Check whether a photo is meant, by the folder that is searched and its path in there."""
        included = self._fits(self._include, folder, inside) or not self._include
        return not self.leaves_out(folder, inside) and included

    def leaves_out(self, folder: Path, inside: Path) -> bool:
        """Check whether a photo or folder is excluded by itself, whatever is above it."""
        return self._fits(self._exclude, folder, inside)

    def unused(self) -> tuple[list[str], list[str]]:
        """Return the patterns to include and to exclude that have fitted nothing so far."""
        include, exclude = (
            [pattern for pattern in patterns if pattern not in self._fitted]
            for patterns in (self._include, self._exclude)
        )
        return include, exclude

    def _fits(self, patterns: Mapping[str, str], folder: Path, inside: Path) -> bool:
        if not patterns:
            return False
        path, name = _plain(str(inside)), _plain(inside.name)
        starts = [_plain(str(one)).rstrip("/") + "/" for one in (folder, folder.absolute())]
        fitting = []
        for pattern, plain in patterns.items():
            meant = {plain, *(plain.removeprefix(start) for start in starts)}
            is_path = "/" in pattern.rstrip("/")
            if any(fnmatchcase(path if is_path else name, one) for one in meant):
                fitting.append(pattern)
        self._fitted.update(fitting)
        return bool(fitting)


def _plain(path: str) -> str:
    return unicodedata.normalize("NFC", os.path.normpath(path)).casefold()


@dataclass(slots=True)
class PassedOver:
    """What in folders is not a photo that is meant."""

    links: list[Path] = field(default_factory=list)  # to folders
    folders: list[Path] = field(default_factory=list)  # of copies, and a drive's own
    suffixes: Counter[str] = field(default_factory=Counter)  # of files of other kinds
    hidden: int = 0  # files and folders
    raw: int = 0  # files beside their photos


def find_photos(
    paths: Iterable[Path],
    names: NameFilter | None = None,
    passed_over: PassedOver | None = None,
) -> Iterator[Path]:
    """List photos: files as they are given, folders searched through in the order of names.

    In a folder, a RAW file is left out if a photo of the same name is beside it. One that stands
    alone is listed, and so is whatever has a photo's name and is not one, such as an empty folder:
    opening it says why it cannot be used.

    Hidden files and folders are passed over, such as the `._` files of macOS, and so are a drive's
    own folders, and those with copies of photos, such as bins and snapshots. Links to folders are
    not followed, so a loop of links cannot be entered. A path that does not exist is listed too:
    opening it raises the error.
    """
    names, passed_over = names or NameFilter(), passed_over or PassedOver()
    for path in paths:
        if os.path.isdir(path):  # noqa: PTH112  Path.is_dir fails where a folder may not be entered
            yield from _in_folder(path, names, passed_over)
        else:
            yield path


def real_path(path: Path) -> Path:
    """Follow links, for comparing; unlike with `Path.resolve`, a loop of links is not an error."""
    return Path(os.path.realpath(path))


def _in_folder(folder: Path, names: NameFilter, passed_over: PassedOver) -> Iterator[Path]:
    unreadable: list[Path] = []
    for root, folders, files in os.walk(folder, onerror=lambda e: unreadable.append(e.filename)):
        here = Path(root)
        inside = here.relative_to(folder)
        yield from map(Path, unreadable)
        unreadable.clear()
        wanted = [name for name in folders if not names.leaves_out(folder, inside / name)]
        folders[:] = _searched(here, wanted, passed_over)
        visible = [name for name in files if not name.startswith(".")]
        passed_over.hidden += len(files) - len(visible)
        links = [name for name in folders if (here / name).is_symlink()]
        passed_over.links += [here / name for name in links]
        listed = [
            *_photos(visible, passed_over),
            *(name for name in links if _suffix(name) in SUFFIXES),
        ]
        yield from (here / name for name in listed if names.takes(folder, inside / name))
        for name in set(files).difference(listed):
            names.leaves_out(folder, inside / name)  # a pattern that fits it is not a mistake
        empty = not (visible or folders) and _suffix(here.name) in SUFFIXES
        if empty and (here == folder or names.takes(folder, inside)):
            yield here
    yield from map(Path, unreadable)


def _searched(here: Path, folders: Iterable[str], passed_over: PassedOver) -> list[str]:
    """Return the folders to search, in order, and note the others."""
    searched = []
    for name in sorted(folders):
        if name.startswith("."):
            passed_over.hidden += 1
        elif is_passed_over(name) or any(fnmatchcase(name.casefold(), copy) for copy in COPIES):
            passed_over.folders.append(here / name)
        else:
            searched.append(name)
    return searched


def _photos(files: Iterable[str], passed_over: PassedOver) -> list[str]:
    """Return the names of photos, in order: those of RAW files only if they stand alone."""
    taken = {_stem(name) for name in files if _suffix(name) in SUFFIXES}
    photos = []
    for name in sorted(files):
        if _suffix(name) in SUFFIXES:
            photos.append(name)
        elif _suffix(name) not in RAW_SUFFIXES:
            passed_over.suffixes[_suffix(name)] += 1
        elif _stem(name) in taken:
            passed_over.raw += 1
        else:
            photos.append(name)
    return photos


def is_passed_over(folder: str) -> bool:
    """Check whether a folder of this name is hidden, or a drive's own."""
    return folder.startswith(".") or folder.casefold() in SYSTEM_FOLDERS


def _suffix(name: str) -> str:
    return Path(name).suffix.casefold()


def _stem(name: str) -> str:
    return RAW_NAME.sub("", Path(name).stem.casefold())
