"""Find photographs in folders."""

import ntpath
import os
import posixpath
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path, PurePath, PureWindowsPath
from typing import Final

from geograph_types.decoding.formats import RAW_SUFFIXES, SUFFIXES

SYSTEM_FOLDERS: Final = frozenset({"lost+found", "$recycle.bin", "system volume information"})
"""What systems keep on a drive: deleted files, and folders that only they may enter."""

COPIES: Final = (
    *SYSTEM_FOLDERS,
    *("#recycle", "@recycle", "@recycle.bin", "recycler", "recycled", "lost.dir", "found.[0-9]*"),
    *("#snapshot", "@snapshot", "@snapshots", "@recently-snapshot", "@gmt-*"),
    *("@eadir", "@tmp", "__macosx", "network trash folder", "*.lrdata"),
    *("*.photoslibrary", "*.photolibrary", "*.aplibrary", "*.migratedphotolibrary"),
)
"""Names of bins, snapshots, thumbnails and libraries, whose photos are copies of others or gone."""

RAW_NAME: Final = re.compile(r"\.raw-[0-9]+(\.mp)?\.(cover|original)$")
"""Ending of the stems that Pixel telephones give a photo and its RAW file."""


class Reason(StrEnum):
    """Why a file or folder is passed over."""

    HIDDEN = "hidden"
    COPIES = "a folder of a bin, snapshots, thumbnails or a library"
    LINK = "a link to a folder"
    RAW = "a RAW file beside its photo"
    OTHER = "not a photo"
    EXCLUDED = "excluded"
    NOT_INCLUDED = "not included"


class NameFilter:
    """Which photos of folders are meant, by shell patterns (`*`, `?`, `[...]`).

    A pattern with "/" is compared with the path from the folder that is searched, and may begin
    with that folder, as it was given or in full. One without is compared with each name, so that
    `private` leaves out all folders of that name. Case makes no difference, nor how letters with
    accents are encoded.
    """

    def __init__(self, include: Iterable[str] = (), exclude: Iterable[str] = ()) -> None:
        self._include = {pattern: comparable(Path(pattern)) for pattern in include}
        self._exclude = {pattern: comparable(Path(pattern)) for pattern in exclude}
        self._fitted: set[str] = set()

    def reason(self, folder: Path, inside: Path) -> Reason | None:
        """Return why a photo is not meant, by the folder that is searched and its path in there."""
        included = self._fits(self._include, folder, inside) or not self._include
        if self.leaves_out(folder, inside):
            return Reason.EXCLUDED
        return None if included else Reason.NOT_INCLUDED

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
        path, name = comparable(inside), comparable(Path(inside.name))
        starts = [comparable(one).rstrip("/") + "/" for one in (folder, folder.absolute())]
        fitting = []
        for pattern, plain in patterns.items():
            meant = {plain, *(plain.removeprefix(start) for start in starts)}
            is_path = "/" in pattern.replace(os.sep, "/").rstrip("/")
            if any(fnmatchcase(path if is_path else name, one) for one in meant):
                fitting.append(pattern)
        self._fitted.update(fitting)
        return bool(fitting)


def comparable(path: PurePath) -> str:
    """Return a path with "/" on every system, in one normal form, and without case."""
    if isinstance(path, PureWindowsPath):
        plain = ntpath.normpath(path).replace("\\", "/")
    else:
        plain = posixpath.normpath(path)
    return unicodedata.normalize("NFC", plain).casefold()


class PassedOver:
    """Counts what in folders is not a photo that is meant, and shows each as it is found."""

    def __init__(self, show: Callable[[Path, Reason], object] = lambda *_: None) -> None:
        self._show = show
        self.counts: Counter[Reason] = Counter()
        self.first: dict[Reason, Path] = {}
        self.suffixes: Counter[str] = Counter()  # of files of other kinds

    def add(self, path: Path, reason: Reason) -> None:
        """Count a file or folder."""
        self.counts[reason] += 1
        self.first.setdefault(reason, path)
        if reason is Reason.OTHER:
            self.suffixes[_suffix(path.name)] += 1
        self._show(path, reason)


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
        links = {name for name in folders if (here / name).is_symlink()}
        files += [name for name in links if _suffix(name) in SUFFIXES]
        searched = []
        for name in sorted(set(folders).difference(files)):
            excluded = Reason.EXCLUDED if names.leaves_out(folder, inside / name) else None
            reason = excluded or folder_reason(name) or (Reason.LINK if name in links else None)
            if reason:
                passed_over.add(here / name, reason)
            else:
                searched.append(name)
        folders[:] = searched
        for name, reason in file_reasons(files):
            if reason:
                names.leaves_out(folder, inside / name)  # a pattern that fits it is not a mistake
            else:
                reason = names.reason(folder, inside / name)
            if reason:
                passed_over.add(here / name, reason)
            else:
                yield here / name
        visible = any(not name.startswith(".") for name in files)
        empty = not (visible or searched) and _suffix(here.name) in SUFFIXES
        if empty and (here == folder or names.reason(folder, inside) is None):
            yield here
    yield from map(Path, unreadable)


def folder_reason(name: str) -> Reason | None:
    """Return why a folder of this name is not searched."""
    if name.startswith("."):
        return Reason.HIDDEN
    copies = any(fnmatchcase(name.casefold(), pattern) for pattern in COPIES)
    return Reason.COPIES if copies else None


def file_reasons(files: Collection[str]) -> Iterator[tuple[str, Reason | None]]:
    """List the files of one folder in order, each with the reason why it is not a photo.

    RAW files are photos if they stand alone.
    """
    taken = {
        _stem(name) for name in files if _suffix(name) in SUFFIXES and not name.startswith(".")
    }
    for name in sorted(files):
        if name.startswith("."):
            yield name, Reason.HIDDEN
        elif _suffix(name) in SUFFIXES:
            yield name, None
        elif _suffix(name) not in RAW_SUFFIXES:
            yield name, Reason.OTHER
        else:
            yield name, Reason.RAW if _stem(name) in taken else None


def _suffix(name: str) -> str:
    return Path(name).suffix.casefold()


def _stem(name: str) -> str:
    return RAW_NAME.sub("", Path(name).stem.casefold())
