"""Inputs in object storage; the only module that imports pyarrow's file systems."""

import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import quote

from geograph_types.archive.items import InputItem
from geograph_types.archive.job import InputKind
from geograph_types.decoding.formats import SUFFIXES
from geograph_types.errors import InputError, MissingExtraError, PhotoError, PhotoFault
from geograph_types.photos.find import PassedOver, Reason, file_reasons, folder_reason
from geograph_types.stored.files import is_row_file
from geograph_types.system.hosts import shown_address, without_secrets

try:
    import pyarrow as pa
    from pyarrow import fs
except ModuleNotFoundError:
    raise MissingExtraError("pyarrow", "parquet") from None

CHUNK: Final = 1 << 20
REFUSALS: Final = (OSError, pa.ArrowException, ValueError)
"""What pyarrow raises, for instance of a name with "//" in it or that is not UTF-8."""


class ObjectStorage:
    """A folder of a bucket, as pyarrow reads it: s3://bucket/folder.

    Credentials and endpoints are those of the environment, as for any client of S3.
    """

    def __init__(self, address: str) -> None:
        """Open it, or refuse the address."""
        self._address = address
        try:
            self._files, folder = fs.FileSystem.from_uri(_quoted(address))
        except REFUSALS as error:
            raise InputError(
                f"{shown_address(address)} cannot be opened ({self._detail(error)}): write '/' in "
                "a secret key as %2F, or leave keys to the environment"
            ) from None
        self._folder = folder.rstrip("/")

    def kinds(self) -> list[InputKind]:
        """Return which kinds of input are there."""
        names = [name for name, _ in self._listing]
        kinds: list[InputKind] = []
        photos = _photos(names, PassedOver())
        if any(PurePosixPath(name).suffix.casefold() in SUFFIXES for name in photos):
            kinds.append("photos")
        if any(_has_rows(name) for name in names):
            kinds.append("embeddings")
        return kinds

    def items(self, kind: InputKind, passed_over: PassedOver) -> Iterator[InputItem]:
        """List inputs of a kind by their names."""
        names = [name for name, _ in self._listing]
        wanted = _photos(names, passed_over) if kind == "photos" else set(filter(_has_rows, names))
        for name, info in self._listing:
            if name in wanted:
                yield InputItem(os.fsencode(name), info.size or 0, info.mtime_ns or 0)

    def fetch(self, name: str, folder: Path) -> Path:
        """Copy an object."""
        handle, copy = tempfile.mkstemp(dir=folder, suffix=PurePosixPath(name).suffix)
        with open(handle, "wb") as stream:
            for chunk in self._chunks(name):
                stream.write(chunk)
        return Path(copy)

    def _chunks(self, name: str) -> Iterator[bytes]:
        try:
            with self._files.open_input_stream(f"{self._folder}/{name}") as source:
                while chunk := source.read(CHUNK):
                    yield chunk
        except FileNotFoundError:
            raise PhotoError(name, PhotoFault.NOT_FOUND, "there is no such object") from None
        except REFUSALS as error:
            raise PhotoError(name, PhotoFault.UNREADABLE, self._detail(error)) from None

    @cached_property
    def _listing(self) -> list[tuple[str, fs.FileInfo]]:
        try:
            found = self._files.get_file_info(fs.FileSelector(self._folder, recursive=True))
        except REFUSALS as error:
            shown = shown_address(self._address)
            raise InputError(f"{shown} cannot be listed ({self._detail(error)})") from None
        start = len(self._folder) + 1
        named = {info.path[start:]: info for info in found if info.type == fs.FileType.File}
        return sorted(named.items())

    def _detail(self, error: Exception) -> str:
        return without_secrets(str(error).partition("\n")[0], _quoted(self._address))


def _quoted(address: str) -> str:
    """Escape what an address cannot hold, such as spaces, but not what is escaped already."""
    rest = address.partition("://")[2]
    bare_percent = re.compile("%(?![0-9A-Fa-f]{2})")
    return "s3://" + quote(bare_percent.sub("%25", rest), safe="%/?:@&=+$,;!*'()~")


def _photos(names: Iterable[str], passed_over: PassedOver) -> set[str]:
    """Choose photos as in folders on disk."""
    folders: dict[str, dict[str, str]] = {}
    for name in names:
        folder, _, file = name.rpartition("/")
        folders.setdefault(folder, {})[file] = name
    photos: set[str] = set()
    skipped: dict[Path, Reason] = {}
    for folder, files in folders.items():
        path = Path(folder)
        above = {one: why for one in (path, *path.parents) if (why := folder_reason(one.name))}
        if above:
            skipped.update(list(above.items())[-1:])  # the outermost
            continue
        for file, reason in file_reasons(files):
            if reason:
                passed_over.add(Path(files[file]), reason)
            else:
                photos.add(files[file])
    for path, why in skipped.items():
        passed_over.add(path, why)
    return photos


def _has_rows(name: str) -> bool:
    return is_row_file(PurePosixPath(name))
