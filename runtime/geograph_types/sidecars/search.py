"""Find sidecars that contain our tags."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from geograph_types.errors import InputError
from geograph_types.photos.find import is_passed_over
from geograph_types.sidecars.plan import sidecar_path
from geograph_types.sidecars.tags import OWN_NAMESPACE

SUFFIX: Final = ".xmp"

MARKS: Final = tuple(OWN_NAMESPACE.encode(code) for code in ("utf-8", "utf-16-le", "utf-16-be"))
"""One of them is in every sidecar that has tags of ours."""


def find_sidecars(paths: Iterable[Path]) -> Iterator[Path]:
    """List sidecars: of photos, named themselves, and in folders those with tags of ours.

    The photo need not be there any more. What cannot be read in a folder is listed: opening it
    says why. Hidden folders and a drive's own are passed over.

    Raises:
        InputError: a path at which there is neither photo nor sidecar.
    """
    for path in paths:
        sidecar = path if path.suffix.casefold() == SUFFIX else sidecar_path(path)
        if os.path.isdir(path):  # noqa: PTH112  Path.is_dir fails where a folder may not be entered
            yield from _in_folder(path)
        elif os.path.lexists(path) or os.path.lexists(sidecar):
            yield sidecar
        else:
            raise InputError(f"there is neither {path} nor its sidecar: check the spelling")


def _in_folder(folder: Path) -> Iterator[Path]:
    unreadable: list[Path] = []
    for root, folders, files in os.walk(
        folder, onerror=lambda error: unreadable.append(Path(error.filename))
    ):
        folders[:] = sorted(name for name in folders if not is_passed_over(name))
        here = Path(root)
        for name in sorted(files):
            if name.casefold().endswith(SUFFIX) and _may_be_ours(here / name):
                yield here / name
    yield from unreadable


def _may_be_ours(sidecar: Path) -> bool:
    try:
        data = sidecar.read_bytes()
    except OSError:
        return True
    return any(mark in data for mark in MARKS)
