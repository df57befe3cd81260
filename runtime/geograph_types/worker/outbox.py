"""Results from the moment they are computed until the server has accepted them, and a while beyond.

A result is on disk before it is sent, and so is the list that it is sent in, under a key of its
own. Whether the server has accepted a list whose answer was lost, by a broken connection or a kill
at that moment, no client can know: it can only send it again. It sends exactly the same list under
the same `Idempotency-Key`, so that a server that looks at the key, or that keeps one set of labels
for a photo, has no harm from it.
"""

import sqlite3
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import msgspec

from geograph_types.files.sqlite import DatabaseKind, open_database, reported, transaction
from geograph_types.system.hosts import shown_address
from geograph_types.worker.faults import StateError
from geograph_types.worker.protocol import RowResult

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
    mode=0o600,  # the server's address may hold a key
)

ListKind: TypeAlias = Literal["labels", "embeddings"]
KINDS: Final[tuple[ListKind, ...]] = ("labels", "embeddings")
KEPT: Final = 20_000  # results after they were accepted: 30 MB if all of them are embeddings
IN_BATCH: Final = "WHERE state = 'waiting' AND kind = ? AND batch = ?"

# Two requests may cross, and databases are copied with a delay: a row that comes again so soon
# after its labels were accepted is passed over. One that comes later the server has lost, and what
# was sent is sent again.
LAG_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Batch:
    kind: ListKind
    number: int  # in the order in which they were put together
    key: str  # by which a server may know that it had it before
    body: bytes  # JSON
    numbers: tuple[int, ...]  # of the photos in it


class Outbox:
    """An open state file, made by `open_outbox`; its errors are `StateError`."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    def earlier(self, numbers: Iterable[int], bundle: str) -> dict[int, str]:
        """Find photos with results of this bundle, and return what became of them, by number.

        That is "waiting", "refused", "lately" (accepted a moment ago) or "lost" (accepted before).
        """
        found: dict[int, str] = {}
        now = time.time()
        which = "gridimage_id = ? AND kind = 'labels' AND bundle = ?"
        for number in numbers:
            query = f"SELECT state, changed FROM results WHERE {which}"
            for state, changed in self._run(query, number, bundle):
                # In the future, too, it is long ago: the clock was wrong.
                accepted = "lately" if abs(now - changed) < LAG_SECONDS else "lost"
                found[number] = accepted if state == "accepted" else state
        return found

    def store(self, results: Iterable[RowResult], bundle: str) -> None:
        """Write results, all of them or none, in place of earlier ones; they wait to be sent."""
        query = "INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, NULL, 'waiting', ?)"
        with self._transaction():
            for result in results:
                made = [result.embedding] if result.embedding else []
                for kind, entries in (("labels", result.labels), ("embeddings", made)):
                    if entries:
                        data = msgspec.json.encode(entries)[1:-1]
                        self._run(query, result.number, kind, data, bundle, time.time())

    def send_again(self, numbers: Iterable[int]) -> None:
        query = "UPDATE results SET state = 'waiting', batch = NULL WHERE gridimage_id = ?"
        with self._transaction():
            for number in numbers:
                self._run(query, number)

    def next_batch(self, kind: ListKind, most: int) -> Batch | None:
        """Return the list to send next, if any: an unsent one, or a new one of `most` photos."""
        with self._transaction():
            which = "WHERE state = 'waiting' AND kind = ?"
            query = f"SELECT min(batch), count(*) FROM results {which}"
            ((number, count),) = self._run(query, kind)
            if not count:
                return None
            if number is None:
                number = self._new_batch(which, kind, most)
        ((key,),) = self._run("SELECT key FROM batches WHERE number = ?", number)
        query = f"SELECT gridimage_id, entries FROM results {IN_BATCH} ORDER BY gridimage_id"
        rows = self._run(query, kind, number)
        body = b"[" + b",".join(entries for _, entries in rows) + b"]"
        return Batch(kind, number, key, body, tuple(photo for photo, _ in rows))

    def finish(self, batch: Batch, state: Literal["accepted", "refused"]) -> None:
        """Note what the server made of a list, and forget what was finished long ago."""
        with self._transaction():
            query = f"UPDATE results SET state = ?, changed = ? {IN_BATCH}"
            self._run(query, state, time.time(), batch.kind, batch.number)
            self._run("DELETE FROM batches WHERE number = ?", batch.number)
            self._run(
                "DELETE FROM results WHERE state <> 'waiting' AND changed < (SELECT changed "
                "FROM results WHERE state <> 'waiting' ORDER BY changed DESC LIMIT 1 OFFSET ?)",
                KEPT,
            )

    def split(self, batch: Batch) -> None:
        """Split a list in two, to find what the server refuses."""
        with self._transaction():
            for count in (len(batch.numbers) // 2, len(batch.numbers)):
                self._new_batch(IN_BATCH, batch.kind, batch.number, count)
            self._run("DELETE FROM batches WHERE number = ?", batch.number)

    def waiting(self) -> int:
        query = "SELECT count(DISTINCT gridimage_id) FROM results WHERE state = 'waiting'"
        return int(self._run(query)[0][0])

    def waiting_entries(self) -> list[bytes]:
        """Return all entries that are to be sent, each photo's as JSON without brackets."""
        order = "ORDER BY gridimage_id, kind DESC"
        rows = self._run(f"SELECT entries FROM results WHERE state = 'waiting' {order}")
        return [entries for (entries,) in rows]

    def last_request(self) -> float:
        """Return when the server was last asked, in seconds since 1970; 0 for never."""
        return float(self._setting("last_request") or 0.0)

    def note_request(self) -> None:
        self._set("last_request", time.time())

    def belong_to(self, url: str) -> None:
        """Tie the file to a server, so that no other gets its results."""
        known = self._setting("url") or url
        self._set("url", known)
        if known != url:
            owner, other = shown_address(known), shown_address(url)
            same = " with other parameters" if owner == other else ""
            problem = f"it belongs to {owner}{same}: name another file for {other} with --state"
            raise StateError(self.path, problem)

    def _new_batch(self, which: str, *values: object) -> int:
        """Put together a list of some results that wait; return its number."""
        query = "INSERT INTO batches (key) VALUES (?) RETURNING number"
        ((number,),) = self._run(query, str(uuid.uuid4()))
        some = f"SELECT rowid FROM results {which} ORDER BY gridimage_id LIMIT ?"
        self._run(f"UPDATE results SET batch = ? WHERE rowid IN ({some})", number, *values)
        return int(number)

    def _setting(self, name: str) -> Any:
        rows = self._run("SELECT value FROM settings WHERE name = ?", name)
        return rows[0][0] if rows else None

    def _run(self, query: str, *values: object) -> list[Any]:
        with reported(self.path, STATE):
            return self._connection.execute(query, values).fetchall()

    def _set(self, name: str, value: float | str) -> None:
        self._run("INSERT OR REPLACE INTO settings VALUES (?, ?)", name, value)

    def _transaction(self) -> AbstractContextManager[None]:
        return transaction(self.path, STATE, self._connection)


@contextmanager
def open_outbox(path: Path, url: str) -> Iterator[Outbox]:
    """Open a state file for a server, and make it if it is missing."""
    with open_database(path, STATE) as connection:
        outbox = Outbox(path, connection)
        outbox.belong_to(url)
        yield outbox
