"""The SQLite file in which the worker keeps its results: its tables."""

from typing import Final

from geograph_types.files.sqlite import DatabaseKind
from geograph_types.worker.faults import StateError

__all__ = ["STATE"]

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
