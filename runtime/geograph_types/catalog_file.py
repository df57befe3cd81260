"""The SQLite file of a catalogue: its tables, its lock, and its errors.

It is in WAL mode with `synchronous` FULL, so that what was committed outlasts a power cut. One run
at a time writes it, and the system lifts the lock of a run that dies; readers are not kept out.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

import msgspec

from geograph_types.errors import CatalogError

__all__ = ["open_database", "reported"]

APPLICATION_ID: Final = 0x47655479
"""In the file's header, by which a catalogue is told from other SQLite files."""

VERSION: Final = 1

SCHEMA: Final = """
-- One row a photo: what came of opening its file.
CREATE TABLE photos (
    path BLOB PRIMARY KEY,         -- absolute, in the system's own bytes
    size INTEGER,                  -- bytes; NULL where there was no file
    mtime_ns INTEGER,              -- nanoseconds since 1970
    sha256 BLOB,                   -- of the content; NULL where it could not be used
    encoder TEXT NOT NULL,         -- sha256 of the encoder's file
    exact INTEGER NOT NULL,        -- 1: a large JPEG was decoded in full
    embedding BLOB,                -- 512 little-endian float32; NULL where it could not be used
    truncated INTEGER NOT NULL,    -- 1: the file was cut off, and used as far as it goes
    exif TEXT NOT NULL,            -- JSON: camera, subject, metres, problems
    fault TEXT,                    -- why it could not be used
    detail TEXT
);
CREATE INDEX photos_by_size ON photos (size);
-- One row a photo: what the last run said of it.
CREATE TABLE results (
    path BLOB PRIMARY KEY,
    types TEXT NOT NULL,           -- the moderators' raw tags
    truncated INTEGER NOT NULL,
    fault TEXT,                    -- why there is no prediction
    detail TEXT,
    tags TEXT,                     -- JSON list
    low_confidence INTEGER,
    probabilities TEXT,            -- JSON, by class
    distance TEXT,                 -- JSON
    model TEXT,                    -- name and version of the bundle
    stand_in INTEGER,
    bundle TEXT NOT NULL           -- sha256 of the bundle's manifest
);
"""

ADVICE: Final = {
    sqlite3.SQLITE_BUSY: "it is in use by another program: wait until that ends",
    sqlite3.SQLITE_LOCKED: "it is in use by another program: wait until that ends",
    sqlite3.SQLITE_NOTADB: "it is no catalogue: name another file",
    sqlite3.SQLITE_CORRUPT: "it is damaged: remove it, and tag the photos again",
    sqlite3.SQLITE_FULL: "the disk is full: make room and run this again; what is in it is kept",
    sqlite3.SQLITE_READONLY: "it cannot be written: name a file in a place that can be",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: name a file in a place that can be written",
    sqlite3.SQLITE_IOERR: (
        "reading or writing failed: see to the disk and run this again; what is in it is kept"
    ),
}


@contextmanager
def reported(path: Path) -> Iterator[None]:
    """Turn errors of SQLite, and of values that are not as we write them, into `CatalogError`."""
    try:
        yield
    except (msgspec.DecodeError, ValueError) as error:
        advice = "it was changed by another program: remove it, and tag the photos again"
        raise CatalogError(path, f"{advice} ({error})") from None
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        advice = ADVICE.get(code, "it cannot be used: name another file")
        raise CatalogError(path, f"{advice} ({error})") from None


@contextmanager
def open_database(path: Path, read_only: bool) -> Iterator[sqlite3.Connection]:
    """Open a catalogue's file; for writing it is locked, and made where there is none.

    Raises:
        CatalogError: see `open_catalog`.
    """
    if read_only:
        if not path.is_file():
            raise CatalogError(
                path, "there is no such file: 'geograph-types tag PHOTOS --catalog FILE' makes one"
            )
        with closing(_connect(path, _reading_mode(path))) as connection:
            _check(path, connection)
            yield connection
        return
    # Closed last: with any other order, closing would lift SQLite's own locks.
    with _lock(path), closing(_connect(path, "mode=rw")) as connection:
        if _check(path, connection):
            with reported(path):
                connection.executescript(
                    f"BEGIN; {SCHEMA} PRAGMA application_id = {APPLICATION_ID}; "
                    f"PRAGMA user_version = {VERSION}; COMMIT;"
                )
        with reported(path):
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
        yield connection


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold the file for this run alone."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        problem = f"it cannot be written ({error.strerror}): name a file in a place that can be"
        raise CatalogError(path, problem) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            problem = "it is in use by another run: wait until that ends, or name another file"
            raise CatalogError(path, problem) from None
        yield
    finally:
        os.close(descriptor)


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    with reported(path):
        address = f"file:{quote(os.fsencode(path.absolute()))}?{mode}"
        return sqlite3.connect(address, uri=True, timeout=1.0, isolation_level=None)


def _reading_mode(path: Path) -> str:
    """Read a finished catalogue also from where nothing can be written, as from a backup."""
    journal = path.with_name(f"{path.name}-wal")
    if os.access(path.parent, os.W_OK) or journal.exists():
        return "mode=rw"
    return "mode=ro&immutable=1"


def _check(path: Path, connection: sqlite3.Connection) -> bool:
    """Refuse what is no catalogue; give whether the file is new and has no tables yet."""
    with reported(path):
        application, version, tables = (
            int(connection.execute(query).fetchone()[0])
            for query in (
                "PRAGMA application_id",
                "PRAGMA user_version",
                "SELECT count(*) FROM sqlite_master",
            )
        )
    if (application, version, tables) == (0, 0, 0):
        return True
    if application != APPLICATION_ID:
        raise CatalogError(path, "it is a database of another program: name another file")
    if version != VERSION:
        raise CatalogError(
            path,
            f"it has version {version}, and this is for version {VERSION}: "
            "update geograph-types, or name another file",
        )
    return False
