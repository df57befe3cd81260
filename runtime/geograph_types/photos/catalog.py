"""What is known of photos, in one SQLite file: a second run does only what is new.

The table `photos` holds what came of opening each file, `results` what the last run made of it.
Both are written in batches; a batch that was written outlasts a kill and a power cut.
"""

import hashlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from geograph_types.bundle import Bundle
from geograph_types.decoding.open import DECODER_VERSION
from geograph_types.errors import PhotoFault
from geograph_types.files.sqlite import open_database, reported, transaction
from geograph_types.photos.catalog_tables import (
    CATALOG,
    COUNTS,
    certain_column,
    failure_columns,
    read_photo,
    read_result,
    result_row,
    stamp_columns,
)
from geograph_types.photos.embed import EmbeddedPhoto
from geograph_types.photos.result import PhotoResult
from geograph_types.photos.stamp import FileStamp, was_moved


@dataclass(frozen=True, slots=True)
class Encoding:
    """What embeddings depend on beside the photo."""

    encoder: str  # sha256 of the encoder's file
    exact: bool  # large JPEG files were decoded in full
    decoder: int = DECODER_VERSION


@dataclass(frozen=True, slots=True)
class PendingPhoto:
    """A photo that is to be opened."""

    path: Path
    stamp: FileStamp | None  # before it was opened: a change meanwhile is seen the next time


LASTING_FAULTS: Final = frozenset(
    {
        PhotoFault.EMPTY,
        PhotoFault.NOT_AN_IMAGE,
        PhotoFault.DAMAGED,
        PhotoFault.TOO_MANY_PIXELS,
        PhotoFault.TOO_ELONGATED,
    }
)
"""Reasons that lie in a file's bytes; the others may be gone the next time."""

MOST_COPIES: Final = 16
"""Of one content that are looked at for a place where it was."""


class Catalog:
    """An open catalogue; made by `open_catalog`.

    All methods raise `CatalogError` if the file cannot be read or written; what was written
    before stays.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    def pending(self, paths: Iterable[Path], encoding: Encoding) -> list[PendingPhoto]:
        """List the photos that have to be opened, each once.

        Those are the ones that are new, have changed, or were opened otherwise, in the order given;
        and behind them those that failed for a reason that may have passed. Of what could not be
        reached and is there again, as it was, the embedding holds.
        """
        current = (encoding.encoder, encoding.exact, encoding.decoder)
        new: list[PendingPhoto] = []
        again: list[PendingPhoto] = []
        back: list[tuple[bytes]] = []
        for path in dict.fromkeys(paths):
            stamp = FileStamp.of(path)
            row = self._row(
                "SELECT size, mtime_ns, ctime_ns, encoder, exact, decoder, embedding IS NOT NULL, "
                "fault FROM photos WHERE path = ?",
                path,
            )
            if row is None or row[:3] != stamp_columns(stamp):
                new.append(PendingPhoto(path, stamp))
                continue
            made, (embedded, fault) = row[3:6], row[6:]
            if embedded and made == current:
                if fault is not None:
                    back.append((_key(path),))
            elif fault is None or (fault in LASTING_FAULTS and made[2] != encoding.decoder):
                new.append(PendingPhoto(path, stamp))
            elif fault not in LASTING_FAULTS:
                again.append(PendingPhoto(path, stamp))
        if back:
            self._hold_again(back)
        return new + again

    def _hold_again(self, keys: list[tuple[bytes]]) -> None:
        with transaction(self.path, CATALOG, self._connection):
            clear = "UPDATE photos SET fault = NULL, detail = NULL WHERE path = ?"
            self._connection.executemany(clear, keys)

    def take_over(self, photo: PendingPhoto, encoding: Encoding) -> bool:
        """Use what is known of the same content, of a moved or touched file; return whether it is.

        Only a file of a size that the catalogue has is read. If it was known by another path, whose
        folder is there and whose file is not, it was moved, and that path is forgotten. If the
        folder is away too, its drive may be.
        """
        alike = "size = ? AND encoder = ? AND exact = ? AND decoder = ? AND embedding NOT NULL"
        made = (encoding.encoder, encoding.exact, encoding.decoder)
        values = (stamp_columns(photo.stamp)[0], *made)
        with reported(self.path, CATALOG):
            query = f"SELECT 1 FROM photos WHERE {alike} LIMIT 1"
            known = self._connection.execute(query, values).fetchone()
            digest = _sha256(photo.path) if known else None
            query = f"SELECT path FROM photos WHERE {alike} AND sha256 = ? LIMIT ?"
            found = self._connection.execute(query, (*values, digest, MOST_COPIES)).fetchall()
        if digest is None or not found:
            return False
        key = _key(photo.path)
        gone = [path for (path,) in found if path != key and was_moved(path)]
        with transaction(self.path, CATALOG, self._connection):
            self._connection.execute(
                "INSERT OR REPLACE INTO photos SELECT ?, ?, ?, ?, sha256, encoder, exact, decoder, "
                "embedding, truncated, exif, NULL, NULL "
                f"FROM photos WHERE {alike} AND sha256 = ? LIMIT 1",
                (key, *stamp_columns(photo.stamp), *values, digest),
            )
            self._forget([key], ["results"])
            self._forget(gone)
        return True

    def paths(self) -> list[Path]:
        """List all photos that are known."""
        with reported(self.path, CATALOG):
            query = "SELECT path FROM photos UNION SELECT path FROM results"
            return [Path(os.fsdecode(row[0])) for row in self._connection.execute(query)]

    def forget(self, paths: Iterable[Path]) -> None:
        """Forget photos, all of them or none."""
        with transaction(self.path, CATALOG, self._connection):
            self._forget(map(_key, paths))

    def _forget(self, keys: Iterable[bytes], tables: Iterable[str] = ("photos", "results")) -> None:
        rows = [(key,) for key in keys]
        for table in tables:
            self._connection.executemany(f"DELETE FROM {table} WHERE path = ?", rows)

    def store_photos(
        self, photos: Sequence[tuple[PendingPhoto, EmbeddedPhoto]], encoding: Encoding
    ) -> None:
        """Write what came of opening photos, all of them or none, in place of what was known.

        A fault that may pass, such as a drive that is not there, leaves an embedding as it is.
        """
        rows = [
            (
                _key(photo.path),
                *stamp_columns(pending.stamp),
                photo.sha256,
                encoding.encoder,
                encoding.exact,
                encoding.decoder,
                None if photo.embedding is None else photo.embedding.astype("<f4").tobytes(),
                photo.truncated,
                msgspec.json.encode(photo.exif).decode(),
                *failure_columns(photo.error),
            )
            for pending, photo in photos
        ]
        with transaction(self.path, CATALOG, self._connection):
            for row in rows:
                self._store(row)
            self._forget((row[0] for row in rows), ["results"])

    def _store(self, row: tuple[Any, ...]) -> None:
        key, (fault, detail) = row[0], row[-2:]
        if fault is not None and fault not in LASTING_FAULTS:
            mark = "UPDATE photos SET fault = ?, detail = ? WHERE path = ? AND embedding NOT NULL"
            if self._connection.execute(mark, (fault, detail, key)).rowcount:
                return
        self._connection.execute(
            f"INSERT OR REPLACE INTO photos VALUES ({', '.join('?' * len(row))})", row
        )

    def photos(self, paths: Iterable[Path]) -> Iterator[EmbeddedPhoto]:
        """Read photos that have been opened, in the order given; leave out the others."""
        for path in paths:
            row = self._row(
                "SELECT embedding, truncated, exif, sha256, fault, detail FROM photos "
                "WHERE path = ?",
                path,
            )
            if row is not None:
                with reported(self.path, CATALOG):
                    photo = read_photo(path, row)
                yield photo

    def store_results(self, results: Iterable[PhotoResult], bundle: Bundle) -> None:
        """Write results, all of them or none, in place of earlier ones."""
        rows = [
            (
                _key(result.path),
                *result_row(result),
                bundle.manifest.sha256,
                certain_column(result.prediction),
            )
            for result in results
        ]
        with transaction(self.path, CATALOG, self._connection):
            self._connection.executemany(
                f"INSERT OR REPLACE INTO results VALUES ({', '.join('?' * 14)})", rows
            )

    def results(self) -> Iterator[PhotoResult]:
        """Read the last result of each photo, by absolute path."""
        with reported(self.path, CATALOG):
            for row in self._connection.execute(
                "SELECT path, types, truncated, problems, fault, detail, tags, low_confidence, "
                "probabilities, distance, model, stand_in, certain FROM results ORDER BY path"
            ):
                yield read_result(Path(os.fsdecode(row[0])), row[1:])

    def photo_count(self) -> int:
        """Count the photos that were opened."""
        with reported(self.path, CATALOG):
            return int(self._connection.execute("SELECT count(*) FROM photos").fetchone()[0])

    def untagged(self) -> int:
        """Count the photos that were opened and have no result yet."""
        query = "SELECT count(*) FROM photos WHERE path NOT IN (SELECT path FROM results)"
        with reported(self.path, CATALOG):
            return int(self._connection.execute(query).fetchone()[0])

    def counts(self, column: str) -> dict[str, int]:
        """Count photos by "encoder", "fault", "model" or "tags", most frequent first."""
        with reported(self.path, CATALOG):
            return dict(self._connection.execute(COUNTS[column]))

    def _row(self, query: str, path: Path) -> tuple[Any, ...] | None:
        with reported(self.path, CATALOG):
            row: tuple[Any, ...] | None = self._connection.execute(query, (_key(path),)).fetchone()
        return row


@contextmanager
def open_catalog(path: Path, read_only: bool = False) -> Iterator[Catalog]:
    """Open a catalogue, and make it if there is none; to read, it may be in use by a run."""
    with open_database(path, CATALOG, read_only) as connection:
        yield Catalog(path, connection)


def _key(path: Path) -> bytes:
    return os.fsencode(os.path.abspath(path))  # noqa: PTH100  Path.absolute keeps ".."


def _sha256(path: Path) -> bytes | None:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").digest()
    except OSError:
        return None
