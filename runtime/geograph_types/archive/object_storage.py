"""Inputs in object storage; the only module that imports pyarrow's file systems."""

import os
import tempfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Final

from geograph_types.archive.items import InputItem
from geograph_types.archive.job import Kind
from geograph_types.decoding.open import SUFFIXES
from geograph_types.errors import InputError, MissingExtraError, PhotoError, PhotoFault
from geograph_types.stored.files import is_row_file

try:
    import pyarrow as pa
    from pyarrow import fs
except ModuleNotFoundError:
    raise MissingExtraError("pyarrow", "parquet") from None

CHUNK: Final = 1 << 20


class ObjectStorage:
    """A folder of a bucket, as pyarrow reads it: s3://bucket/folder.

    Credentials and endpoints are those of the environment, as for any client of S3.
    """

    def __init__(self, address: str) -> None:
        """Open it.

        Raises:
            InputError: the address or the storage is refused.
        """
        from geograph_types.archive.job import shown_address

        self._shown = shown_address(address)
        try:
            self._files, folder = fs.FileSystem.from_uri(address)
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{self._shown} cannot be opened ({_first_line(error)})") from None
        self._folder = folder.rstrip("/")

    def kinds(self) -> list[Kind]:
        """Say what is there."""
        names = [name for name, _ in self._listing]
        kinds: list[Kind] = []
        if any(_is_photo(name) for name in names):
            kinds.append("photos")
        if any(_has_rows(name) for name in names):
            kinds.append("embeddings")
        return kinds

    def items(self, kind: Kind) -> Iterator[InputItem]:
        """List inputs of a kind by their names."""
        wanted = _is_photo if kind == "photos" else _has_rows
        for name, info in self._listing:
            if wanted(name):
                yield InputItem(os.fsencode(name), info.size or 0, info.mtime_ns or 0)

    def fetch(self, name: str, folder: Path) -> Path:
        """Copy an object.

        Raises:
            PhotoError: it cannot be read.
            OSError: the copy cannot be written.
        """
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
        except OSError as error:
            raise PhotoError(name, PhotoFault.UNREADABLE, _first_line(error)) from None

    @cached_property
    def _listing(self) -> list[tuple[str, fs.FileInfo]]:
        try:
            found = self._files.get_file_info(fs.FileSelector(self._folder, recursive=True))
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{self._shown} cannot be listed ({_first_line(error)})") from None
        start = len(self._folder) + 1
        named = {info.path[start:]: info for info in found if info.type == fs.FileType.File}
        return sorted(named.items())


def _is_photo(name: str) -> bool:
    return PurePosixPath(name).suffix.casefold() in SUFFIXES


def _has_rows(name: str) -> bool:
    return is_row_file(PurePosixPath(name))


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
