"""SQLite files that one run at a time writes: kind, lock and errors.

They are in WAL mode with `synchronous` FULL, so that what was committed outlasts a power cut. The
system lifts the lock of a run that dies; readers are not kept out.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote

import msgspec

from geograph_types.errors import GeographTypesError
from geograph_types.system.locks import lock

IN_USE: Final = "it is in use by another program: wait until that ends"

ADVICE: Final = {
    sqlite3.SQLITE_BUSY: IN_USE,
    sqlite3.SQLITE_LOCKED: IN_USE,
    sqlite3.SQLITE_FULL: "the disk is full: make room and run this again; what is in it is kept",
    sqlite3.SQLITE_READONLY: "it cannot be written: name a file in a place that can be",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: name a file in a place that can be written",
    sqlite3.SQLITE_IOERR: (
        "reading or writing failed: check the disk and run this again; what is in it is kept"
    ),
}


@dataclass(frozen=True, slots=True)
class DatabaseKind:
    """What a file of this kind is, and the messages about one that is not."""

    name: str  # for instance "catalogue"
    application_id: int  # in the file's header
    version: int
    schema: str
    error: Callable[[Path, str], GeographTypesError]
    missing: str  # advice if a file that is to be read is not there
    anew: str  # advice if it is damaged
    mode: int = 0o666  # permissions of a new file, less the umask's; 0o600 also for an old one
    upgrades: Mapping[int, str] = field(default_factory=dict)  # SQL by version, to the newest


@contextmanager
def reported(path: Path, kind: DatabaseKind) -> Iterator[None]:
    """Raise errors of SQLite, and of values that are not as we write them, as the kind's own."""
    try:
        yield
    except (msgspec.DecodeError, ValueError) as error:
        advice = f"it was changed by another program: {kind.anew}"
        raise kind.error(path, f"{advice} ({error})") from None
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        advice = ADVICE.get(code, "it cannot be used: name another file")
        if code == sqlite3.SQLITE_NOTADB:
            advice = f"it is not a {kind.name}: name another file"
        if code == sqlite3.SQLITE_CORRUPT:
            advice = f"it is damaged: {kind.anew}"
        raise kind.error(path, f"{advice} ({error})") from None


@contextmanager
def transaction(path: Path, kind: DatabaseKind, connection: sqlite3.Connection) -> Iterator[None]:
    """Write all of a block or nothing."""
    with reported(path, kind):
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


@contextmanager
def open_database(
    path: Path, kind: DatabaseKind, read_only: bool = False
) -> Iterator[sqlite3.Connection]:
    """Open a file; for writing it is locked, and made if there is none."""
    if read_only:
        if not path.is_file():
            raise kind.error(path, kind.missing)
        with closing(_connect(path, kind, _reading_mode(path))) as connection:
            if _changes(path, kind, connection) not in ("", kind.schema):
                problem = "it was made by an earlier version: run the command that writes it once"
                raise kind.error(path, problem)
            yield connection
        return
    # Closed last: with any other order, closing would lift SQLite's own locks.
    with _lock(path, kind), closing(_connect(path, kind, "mode=rw")) as connection:
        change = _changes(path, kind, connection)
        if change:
            with reported(path, kind):
                connection.executescript(
                    f"BEGIN; {change} PRAGMA application_id = {kind.application_id}; "
                    f"PRAGMA user_version = {kind.version}; COMMIT;"
                )
        with reported(path, kind):
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
        yield connection


@contextmanager
def _lock(path: Path, kind: DatabaseKind) -> Iterator[None]:
    """Lock the file for this run alone."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, kind.mode)
        if not kind.mode & 0o077:
            path.chmod(kind.mode)
    except OSError as error:
        problem = f"it cannot be written ({error.strerror}): name a file in a place that can be"
        raise kind.error(path, problem) from None
    try:
        try:
            lock(descriptor)
        except BlockingIOError:
            problem = "it is in use by another run: wait until that ends, or name another file"
            raise kind.error(path, problem) from None
        except OSError as error:
            problem = (
                f"it cannot be locked ({error.strerror}): name a file on a disk of this machine"
            )
            raise kind.error(path, problem) from None
        yield
    finally:
        os.close(descriptor)


def _connect(path: Path, kind: DatabaseKind, mode: str) -> sqlite3.Connection:
    with reported(path, kind):
        place = quote(os.fsencode(path.absolute().as_posix()), safe="/:")
        # "file:///C:/x" is a drive's, "file:////server/share/x" a server's.
        address = f"file://{'' if place.startswith('/') else '/'}{place}?{mode}"
        return sqlite3.connect(address, uri=True, timeout=1.0, isolation_level=None)


def _reading_mode(path: Path) -> str:
    """Read a finished file also from where nothing can be written, as from a backup."""
    journal = path.with_name(f"{path.name}-wal")
    if os.access(path.parent, os.W_OK) or journal.exists():
        return "mode=rw"
    return "mode=ro&immutable=1"


def _changes(path: Path, kind: DatabaseKind, connection: sqlite3.Connection) -> str:
    """Refuse what is of another kind; return the SQL that makes the tables of a file current."""
    application = _number(path, kind, connection, "PRAGMA application_id")
    version = _number(path, kind, connection, "PRAGMA user_version")
    tables = _number(path, kind, connection, "SELECT count(*) FROM sqlite_master")
    if (application, version, tables) == (0, 0, 0):
        return kind.schema
    if application != kind.application_id:
        raise kind.error(path, "it is a database of another program: name another file")
    if version != kind.version and version not in kind.upgrades:
        raise kind.error(
            path,
            f"it has version {version}, and this is for version {kind.version}: "
            "update geograph-types, or name another file",
        )
    return kind.upgrades.get(version, "")


def _number(path: Path, kind: DatabaseKind, connection: sqlite3.Connection, query: str) -> int:
    with reported(path, kind):
        return int(connection.execute(query).fetchone()[0])
