"""Results from the moment they are computed until the server has accepted them, and a while beyond.

A result is on disk before it is sent, and the list that it is sent in is put together on disk too,
under a key of its own. Whether the server has taken a list whose answer was lost, by a broken
connection or by a kill at that moment, no client can know: it can only send it again. What it can
do is to send exactly the same list under the same `Idempotency-Key`, so that a server that looks at
the key, or that keeps one set of labels for a photo, is none the worse for it.
"""

import sqlite3
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from geograph_types.files.sqlite import DatabaseKind, open_database, reported, transaction
from geograph_types.worker.faults import StateError
from geograph_types.worker.protocol import encode_entries, encode_list
from geograph_types.worker.rows import RowResult

SCHEMA: Final = """
-- One row a photo and kind: what is to be sent of it, or was.
CREATE TABLE results (
    gridimage_id INTEGER NOT NULL,
    kind TEXT NOT NULL,            -- labels, embeddings
    entries BLOB NOT NULL,         -- JSON: its entries in the list that is sent, with no brackets
    bundle TEXT NOT NULL,          -- sha256 of the manifest of the bundle that made them
    batch INTEGER,                 -- the list that it goes in; NULL before that is put together
    state TEXT NOT NULL,           -- waiting, accepted, refused
    changed REAL NOT NULL,         -- when it came into that state, seconds since 1970
    PRIMARY KEY (gridimage_id, kind)
);
CREATE INDEX waiting ON results (kind, batch) WHERE state = 'waiting';
CREATE INDEX done ON results (changed) WHERE state <> 'waiting';
-- Lists, put together before they are sent: sent again, one is the same, under the same key.
CREATE TABLE batches (number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL);
CREATE TABLE settings (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
"""

STATE: Final = DatabaseKind(
    name="state file",
    application_id=0x47655477,
    version=1,
    schema=SCHEMA,
    error=StateError,
    missing="there is no such file",
    anew="remove it, and run the worker again",
)


ListKind: TypeAlias = Literal["labels", "embeddings"]
KINDS: Final[tuple[ListKind, ...]] = ("labels", "embeddings")

KEPT: Final = 20_000
"""Results that are kept after they were accepted, 30 MB if all of them are embeddings."""

IN_BATCH: Final = "WHERE state = 'waiting' AND kind = ? AND batch = ?"

LAG_SECONDS: Final = 60.0
"""How long the server may go on giving a row that it has been answered.

Two requests may cross, and databases are copied with a delay: a row that comes again so soon is
passed over. One that comes later the server has lost, and what was sent is sent again.
"""


@dataclass(frozen=True, slots=True)
class Batch:
    """A list to send."""

    kind: ListKind  # of what is in it
    number: int  # in the order in which they were put together
    key: str  # by which a server may know that it had it before
    body: bytes  # JSON
    size: int  # photos in it


@dataclass(frozen=True, slots=True)
class Earlier:
    """Photos of an answer that need not be computed."""

    waiting: frozenset[int]  # numbers whose results wait to be sent
    lately: frozenset[int]  # numbers whose results were accepted a moment ago
    lost: frozenset[int]  # numbers whose results were accepted longer ago
    refused: frozenset[int]  # numbers whose results the server will not take


class Outbox:
    """An open state file; made by `open_outbox`.

    All methods raise `StateError` where the file cannot be read or written; what was written
    before stays.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    def known(self, numbers: Sequence[int], bundle: str) -> Earlier:
        """Find earlier results of photos; those of another bundle do not count."""
        found: dict[str, set[int]] = {name: set() for name in Earlier.__dataclass_fields__}
        since = time.time() - LAG_SECONDS
        with reported(self.path, STATE):
            for number in numbers:
                row = self._connection.execute(
                    "SELECT state, changed FROM results "
                    "WHERE gridimage_id = ? AND kind = 'labels' AND bundle = ?",
                    (number, bundle),
                ).fetchone()
                if row is not None:
                    accepted = "lately" if row[1] > since else "lost"
                    found[accepted if row[0] == "accepted" else row[0]].add(number)
        return Earlier(**{name: frozenset(numbers) for name, numbers in found.items()})

    def store(self, results: Iterable[RowResult], bundle: str) -> None:
        """Write results, all of them or none, in place of earlier ones; they wait to be sent."""
        now = time.time()
        rows = []
        for result in results:
            rows.append((result.number, "labels", encode_entries(result.labels), bundle, now))
            if result.embedding is not None:
                entries = encode_entries([result.embedding])
                rows.append((result.number, "embeddings", entries, bundle, now))
        with self._transaction():
            self._connection.executemany(
                "INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, NULL, 'waiting', ?)", rows
            )

    def send_again(self, numbers: Iterable[int]) -> None:
        """Let what was accepted of photos wait again."""
        with self._transaction():
            self._connection.executemany(
                "UPDATE results SET state = 'waiting', batch = NULL WHERE gridimage_id = ?",
                [(number,) for number in numbers],
            )

    def next_batch(self, kind: ListKind, most: int) -> Batch | None:
        """Return the list to send next: one that was put together before, or a new one."""
        with self._transaction():
            row = self._connection.execute(
                "SELECT min(batch), count(*) FROM results WHERE state = 'waiting' AND kind = ?",
                (kind,),
            ).fetchone()
            if not row[1]:
                return None
            number = self._new_batch(kind, most) if row[0] is None else int(row[0])
        with reported(self.path, STATE):
            (key,) = self._connection.execute(
                "SELECT key FROM batches WHERE number = ?", (number,)
            ).fetchone()
            parts = self._connection.execute(
                f"SELECT entries FROM results {IN_BATCH} ORDER BY gridimage_id", (kind, number)
            ).fetchall()
        return Batch(kind, number, key, encode_list([part for (part,) in parts]), len(parts))

    def accept(self, batch: Batch) -> None:
        """Note that the server has accepted a list, and forget what was accepted long ago."""
        with self._transaction():
            self._finish(batch, "accepted")
            self._connection.execute(
                "DELETE FROM results WHERE state <> 'waiting' AND changed < (SELECT changed "
                "FROM results WHERE state <> 'waiting' ORDER BY changed DESC LIMIT 1 OFFSET ?)",
                (KEPT,),
            )

    def refuse(self, batch: Batch) -> None:
        """Note that the server will not take a list, which is not sent again."""
        with self._transaction():
            self._finish(batch, "refused")

    def split(self, batch: Batch) -> None:
        """Make two lists of one, to find what the server refuses."""
        with self._transaction():
            for count in (batch.size // 2, batch.size):
                self._connection.execute(
                    "UPDATE results SET batch = ? WHERE kind = ? AND gridimage_id IN "
                    f"(SELECT gridimage_id FROM results {IN_BATCH} ORDER BY gridimage_id LIMIT ?)",
                    (self._new_number(), batch.kind, batch.kind, batch.number, count),
                )
            self._connection.execute("DELETE FROM batches WHERE number = ?", (batch.number,))

    def numbers(self, batch: Batch) -> list[int]:
        """Return the numbers of the photos in a list that waits."""
        query = f"SELECT gridimage_id FROM results {IN_BATCH} ORDER BY gridimage_id"
        with reported(self.path, STATE):
            rows = self._connection.execute(query, (batch.kind, batch.number))
            return [int(row[0]) for row in rows]

    def waiting(self) -> int:
        """Count the photos that have something to be sent."""
        query = "SELECT count(DISTINCT gridimage_id) FROM results WHERE state = 'waiting'"
        with reported(self.path, STATE):
            return int(self._connection.execute(query).fetchone()[0])

    def last_request(self) -> float:
        """Return when the server was last asked, in seconds since 1970; 0 for never."""
        query = "SELECT value FROM settings WHERE name = 'last_request'"
        with reported(self.path, STATE):
            row = self._connection.execute(query).fetchone()
            return float(row[0]) if row else 0.0

    def note_request(self) -> None:
        """Remember that the server is asked now."""
        self._set("last_request", time.time())

    def belong_to(self, url: str) -> None:
        """Tie the file to a server, so that no other gets its results."""
        with reported(self.path, STATE):
            row = self._connection.execute(
                "SELECT value FROM settings WHERE name = 'url'"
            ).fetchone()
        if row is None:
            self._set("url", url)
        elif row[0] != url:
            raise StateError(
                self.path, f"it belongs to {row[0]}: name another file for {url} with --state"
            )

    def _new_batch(self, kind: ListKind, most: int) -> int:
        number = self._new_number()
        self._connection.execute(
            "UPDATE results SET batch = ? WHERE kind = ? AND gridimage_id IN (SELECT gridimage_id "
            "FROM results WHERE state = 'waiting' AND kind = ? ORDER BY gridimage_id LIMIT ?)",
            (number, kind, kind, most),
        )
        return number

    def _new_number(self) -> int:
        cursor = self._connection.execute(
            "INSERT INTO batches (key) VALUES (?)", (str(uuid.uuid4()),)
        )
        return int(cursor.lastrowid or 0)

    def _finish(self, batch: Batch, state: str) -> None:
        self._connection.execute(
            f"UPDATE results SET state = ?, changed = ? {IN_BATCH}",
            (state, time.time(), batch.kind, batch.number),
        )
        self._connection.execute("DELETE FROM batches WHERE number = ?", (batch.number,))

    def _set(self, name: str, value: float | str) -> None:
        with reported(self.path, STATE):
            self._connection.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, value))

    def _transaction(self) -> AbstractContextManager[None]:
        return transaction(self.path, STATE, self._connection)


@contextmanager
def open_outbox(path: Path, url: str) -> Iterator[Outbox]:
    """Open a state file, and make it where there is none."""
    with open_database(path, STATE) as connection:
        outbox = Outbox(path, connection)
        outbox.belong_to(url)
        yield outbox
