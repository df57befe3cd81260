"""Find a photo's sidecar, and sidecars that contain our tags."""

import os
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Final

from geograph_types.decoding.formats import RAW_SUFFIXES, SUFFIXES
from geograph_types.errors import InputError
from geograph_types.photos.find import SYSTEM_FOLDERS
from geograph_types.sidecars.document import OWN_NAMESPACE

ENDINGS: Final = tuple("." + "".join(letters) for letters in product("xX", "mM", "pP"))
"""`.xmp` first."""

MARKS: Final = tuple(OWN_NAMESPACE.encode(code) for code in ("utf-8", "utf-16-le", "utf-16-be"))
"""One of them is in every sidecar that has tags of ours."""


def sidecar_path(photo: Path) -> Path:
    """Return the name of a new sidecar: the photo's, and `.xmp` after it."""
    return photo.with_name(photo.name + ENDINGS[0])


def place_of_sidecar(photo: Path, without_suffix: bool = False) -> tuple[Path, Path | None]:
    """Return where a photo's tags go: into `photo.xmp` only if no other photo is called so.

    It is the one that is there, `photo.jpg.xmp` before `photo.xmp`, or the name that a new one is
    to have. What comes second is a `photo.xmp` that a new `photo.jpg.xmp` hides.
    """
    whole, short = _there(photo), _there(photo.with_suffix(""))
    if whole or not (short or without_suffix):
        return whole or sidecar_path(photo), None
    if _is_alone(photo):
        return short or photo.with_suffix(ENDINGS[0]), None
    return sidecar_path(photo), short


def _there(photo: Path) -> Path | None:
    """Find a sidecar of this name, with its suffix in any case."""
    paths = (photo.with_name(photo.name + ending) for ending in ENDINGS)
    return next(filter(os.path.lexists, paths), None)


def _is_alone(photo: Path) -> bool:
    """Whether no other photo, RAW files included, has this name but for the suffix."""
    stems = [path.stem.casefold() for path in photo.parent.iterdir() if _is_photo(path)]
    return stems.count(photo.stem.casefold()) <= 1


def _is_photo(name: Path) -> bool:
    return name.suffix.casefold() in SUFFIXES | RAW_SUFFIXES


def find_sidecars(paths: Iterable[Path]) -> Iterator[Path]:
    """List sidecars: of photos, named themselves, and in folders those with tags of ours.

    The photo need not be there any more. What cannot be read in a folder is listed: opening it
    reports why. Bins and snapshots, where an earlier version has tagged photos, are searched too.
    """
    for path in paths:
        if os.path.isdir(path):  # noqa: PTH112  Path.is_dir fails where a folder may not be entered
            yield from _in_folder(path)
            continue
        if path.suffix in ENDINGS:
            found = [path] if os.path.lexists(path) else []
        else:
            found = [*filter(None, (_there(path), _there(path.with_suffix(""))))]
        if not found and not os.path.lexists(path):
            raise InputError(f"there is neither {path} nor its sidecar: check the spelling")
        yield from found


def _in_folder(folder: Path) -> Iterator[Path]:
    unreadable: list[Path] = []
    for root, folders, files in os.walk(
        folder, onerror=lambda error: unreadable.append(Path(error.filename))
    ):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and name.casefold() not in SYSTEM_FOLDERS
        )
        for name in sorted(files):
            sidecar = Path(root, name)
            if sidecar.suffix in ENDINGS and _may_be_ours(sidecar):
                yield sidecar
    yield from unreadable


def _may_be_ours(sidecar: Path) -> bool:
    try:
        data = sidecar.read_bytes()
    except OSError:
        return True
    return any(mark in data for mark in MARKS)
