"""The SQLite file of a catalogue: its tables."""

from typing import Final

from geograph_types.errors import CatalogError
from geograph_types.files.sqlite import DatabaseKind

__all__ = ["CATALOG"]

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
CREATE INDEX photos_by_content ON photos (size, sha256);
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

CATALOG: Final = DatabaseKind(
    name="catalogue",
    application_id=0x47655479,
    version=1,
    schema=SCHEMA,
    error=CatalogError,
    missing="there is no such file: 'geograph-types tag PHOTOS --catalog FILE' makes one",
    anew="remove it, and tag the photos again",
)
