"""Where photos or files of embeddings come from: a folder, or object storage."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import unquote, urlsplit

from geograph_types.archive.items import InputItem, Known
from geograph_types.archive.job import Kind, shown_address
from geograph_types.decoding.open import SUFFIXES
from geograph_types.errors import InputError
from geograph_types.photos.find import find_photos
from geograph_types.photos.labels import PhotoLabels, label_key
from geograph_types.stored.files import find_row_files, is_row_file

REMOTE: Final = ("s3",)


class Source(Protocol):
    """A place with inputs."""

    def kinds(self) -> list[Kind]:
        """Say what is there."""

    def items(self, kind: Kind) -> Iterator[InputItem]:
        """List inputs of a kind in an order that depends on their names alone."""

    def fetch(self, name: str, folder: Path) -> Path:
        """Give a path from which an input can be read; a copy, if need be, in a folder.

        Raises:
            PhotoError: it cannot be fetched.
            OSError: the copy cannot be written.
        """


def open_source(address: str) -> Source:
    """Take a folder, file:///folder or s3://bucket/folder.

    Raises:
        InputError: there is no such folder, or the address is of no kind that is known.
        MissingExtraError: object storage without pyarrow.
    """
    parts = urlsplit(address)
    if parts.scheme in REMOTE:
        from geograph_types.archive.object_storage import ObjectStorage

        return ObjectStorage(address)
    if "://" not in address:
        return FolderSource(Path(address))
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return FolderSource(Path(unquote(parts.path)))
    raise InputError(
        f"{shown_address(address)}: an input is a folder, file:///FOLDER or s3://BUCKET/FOLDER"
    )


class FolderSource:
    """A folder that every worker can read at the same path."""

    def __init__(self, folder: Path) -> None:
        """Take a folder.

        Raises:
            InputError: there is none, or it cannot be read.
        """
        if not folder.is_dir():
            raise InputError(f"{folder} is no folder: name the one that holds the input")
        try:
            with os.scandir(folder):
                pass
        except OSError as error:
            raise InputError(f"{folder} cannot be read ({error.strerror})") from None
        self.folder = folder

    def kinds(self) -> list[Kind]:
        """Say what is there."""
        kinds: list[Kind] = []
        if any(path.suffix.casefold() in SUFFIXES for path in find_photos([self.folder])):
            kinds.append("photos")
        if self._has_rows():
            kinds.append("embeddings")
        return kinds

    def _has_rows(self) -> bool:
        """Look for a file of embeddings; paths of millions of photos are not kept meanwhile."""
        for root, _, files in os.walk(self.folder):
            place = Path(root).relative_to(self.folder)
            if any(is_row_file(place / name) and Path(root, name).is_file() for name in files):
                return True
        return False

    def items(self, kind: Kind) -> Iterator[InputItem]:
        """List photos folder by folder, or files of embeddings by their paths.

        A folder that cannot be read is an input itself, among photos: opening it says why.

        Raises:
            InputError: a folder among those of embeddings cannot be read.
        """
        if kind == "photos":
            for path in find_photos([self.folder]):
                yield _item(path, self.folder)
            return
        for _ in os.walk(self.folder, onerror=_refuse):
            pass
        for file in find_row_files(self.folder):
            yield _item(file.path, self.folder)

    def fetch(self, name: str, folder: Path) -> Path:
        """Give its path; nothing is copied."""
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
    items: Iterator[InputItem], records: Mapping[Path, PhotoLabels], folder: Path
) -> Iterator[InputItem]:
    """Add what a labels file says.

    Args:
        items: photos.
        records: as `read_labels` gives them.
        folder: from which the labels name photos.

    Raises:
        InputError: they name none of the photos.
    """
    named = 0
    for item in items:
        record = records.get(label_key(folder / item.name))
        named += record is not None
        known = Known.of(record) if record else None
        yield InputItem(item.raw_name, item.size, item.modified, known)
    if not named:
        raise InputError(
            f"the labels name none of the photos in {folder}: their column 'photo' is relative "
            "to the labels' own folder"
        )
