"""Where photos or files of embeddings come from: a folder, or object storage."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from geograph_types.archive.items import InputItem, ItemLabels
from geograph_types.archive.job import InputKind
from geograph_types.decoding.formats import SUFFIXES
from geograph_types.errors import InputError
from geograph_types.photos.find import PassedOver, find_photos
from geograph_types.photos.labels import PhotoLabels, label_key
from geograph_types.stored.files import find_row_files, is_row_file
from geograph_types.system.hosts import shown_address


class InputSource(Protocol):
    """A place with inputs."""

    def kinds(self) -> list[InputKind]:
        """Return which kinds of input are there."""

    def items(self, kind: InputKind, passed_over: PassedOver) -> Iterator[InputItem]:
        """List inputs of a kind in an order that depends on their names alone."""

    def fetch(self, name: str, folder: Path) -> Path:
        """Return a path from which an input can be read: a copy in `folder`, if need be."""


def open_input(address: str) -> InputSource:
    """Open a folder, file:///folder or s3://bucket/folder."""
    scheme = urlsplit(address).scheme
    if scheme == "s3" and "://" in address:
        from geograph_types.archive.object_storage import ObjectStorage

        return ObjectStorage(address)
    if "://" not in address and scheme != "s3":
        return InputFolder(Path(address))
    parts = urlsplit(address)
    if scheme == "file" and parts.netloc in ("", "localhost"):
        return InputFolder(Path(unquote(parts.path)))
    shown = f"{shown_address(address)}: " if "://" in address else ""
    raise InputError(f"{shown}an input is a folder, file:///FOLDER or s3://BUCKET/FOLDER")


class InputFolder:
    """A folder that every process can read at the same path."""

    def __init__(self, folder: Path) -> None:
        """Check that it can be read."""
        if not folder.is_dir():
            raise InputError(f"{folder} is not a folder: name the one that holds the input")
        try:
            with os.scandir(folder):
                pass
        except OSError as error:
            raise InputError(f"{folder} cannot be read ({error.strerror})") from None
        self.folder = folder

    def kinds(self) -> list[InputKind]:
        """Return which kinds of input are there."""
        kinds: list[InputKind] = []
        if any(path.suffix.casefold() in SUFFIXES for path in find_photos([self.folder])):
            kinds.append("photos")
        if self._has_rows():
            kinds.append("embeddings")
        return kinds

    def _has_rows(self) -> bool:
        """Find a file of embeddings; paths of millions of photos are not kept meanwhile."""
        for root, _, files in os.walk(self.folder):
            place = Path(root).relative_to(self.folder)
            if any(is_row_file(place / name) and Path(root, name).is_file() for name in files):
                return True
        return False

    def items(self, kind: InputKind, passed_over: PassedOver) -> Iterator[InputItem]:
        """List photos folder by folder, or files of embeddings by their paths.

        Among photos, a folder that cannot be read is an input itself: opening it says why.
        Among files of embeddings it is an error.
        """
        if kind == "photos":
            for path in find_photos([self.folder], passed_over=passed_over):
                yield _item(path, self.folder)
            return
        for _ in os.walk(self.folder, onerror=_refuse):
            pass
        for file in find_row_files(self.folder):
            yield _item(file.path, self.folder)

    def fetch(self, name: str, folder: Path) -> Path:
        """Return its path; nothing is copied."""
        return self.folder / name


def _refuse(error: OSError) -> None:
    raise InputError(
        f"{error.filename} cannot be read ({error.strerror}): permit it, or move it elsewhere"
    )


def _item(path: Path, folder: Path) -> InputItem:
    raw = os.fsencode(path.relative_to(folder).as_posix())
    try:
        status = path.stat()
    except OSError:
        return InputItem(raw, 0, 0)
    return InputItem(raw, status.st_size, status.st_mtime_ns)


def with_labels(
    items: Iterator[InputItem],
    labels: Mapping[Path, PhotoLabels],
    folder: Path,
    used: set[Path],
) -> Iterator[InputItem]:
    """Add to photos what a labels file says, which names them from `folder`.

    The rows' keys go into `used`.
    """
    for item in items:
        key = label_key(folder / item.name)
        found = labels.get(key)
        if found:
            used.add(key)
        packed = ItemLabels.of(found) if found else None
        yield InputItem(item.raw_name, item.size, item.modified, packed)
    if not used:
        raise InputError(
            f"the labels name none of the photos in {folder}: their column 'photo' is relative "
            "to the labels' own folder"
        )
