"""The tables of a catalogue, and photos and results as their rows."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from geograph_types.distance.distance import Distance
from geograph_types.distance.exif import ExifPlaces
from geograph_types.embedding import as_embeddings
from geograph_types.errors import GeographTypesError, PhotoError, PhotoFault
from geograph_types.files.sqlite import DatabaseKind
from geograph_types.photos.embed import EmbeddedPhoto
from geograph_types.photos.result import PhotoResult
from geograph_types.photos.stamp import FileStamp
from geograph_types.prediction import Prediction


class CatalogError(GeographTypesError):
    """A catalogue that is in use, of another kind, or cannot be read or written."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"catalogue {path}: {problem}")
        self.path = path


SCHEMA: Final = """
-- One row a photo: what came of opening its file.
CREATE TABLE photos (
    path BLOB PRIMARY KEY,         -- absolute, in the system's own bytes
    size INTEGER,                  -- bytes; NULL where there was no file
    mtime_ns INTEGER,              -- nanoseconds since 1970
    ctime_ns INTEGER,
    sha256 BLOB,                   -- of the content; NULL where it could not be used
    encoder TEXT NOT NULL,         -- sha256 of the encoder's file
    exact INTEGER NOT NULL,        -- 1: a large JPEG was decoded in full
    decoder INTEGER NOT NULL,      -- version of the decoder
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
    problems TEXT NOT NULL,        -- JSON list: why positions in EXIF were not used
    fault TEXT,                    -- why there is no prediction
    detail TEXT,
    tags TEXT,                     -- JSON list
    low_confidence INTEGER,
    probabilities TEXT,            -- JSON, by class
    distance TEXT,                 -- JSON
    model TEXT,                    -- name and version of the bundle
    stand_in INTEGER,
    bundle TEXT NOT NULL,          -- sha256 of the bundle's manifest
    certain TEXT                   -- JSON list: those of the tags that hold with a guarantee
);
"""

UPGRADE: Final = f"""
ALTER TABLE photos RENAME TO earlier;
ALTER TABLE results RENAME TO earlier_results;
DROP INDEX photos_by_content;
{SCHEMA}
INSERT INTO results SELECT
    path, types, truncated, '[]', fault, detail, tags, low_confidence, probabilities, distance,
    model, stand_in, bundle, NULL
    FROM earlier_results;
INSERT INTO photos SELECT
    path, size, mtime_ns, NULL, sha256, encoder, exact, 1, embedding, truncated, exif, fault, detail
    FROM earlier;
DROP TABLE earlier;
DROP TABLE earlier_results;
"""
"""From version 1; its photos are opened again, since decoding has changed."""

CATALOG: Final = DatabaseKind(
    name="catalogue",
    application_id=0x47655479,
    version=3,
    schema=SCHEMA,
    upgrades={1: UPGRADE, 2: "ALTER TABLE results ADD COLUMN certain TEXT;"},
    error=CatalogError,
    missing="there is no such file: 'geograph-types tag PHOTOS --catalog FILE' makes one",
    anew="remove it, and tag the photos again",
)


COUNTS: Final = {
    "encoder": (
        "SELECT encoder, count(*) FROM photos WHERE embedding IS NOT NULL GROUP BY 1 "
        "ORDER BY 2 DESC, 1"
    ),
    "fault": (
        "SELECT fault, count(*) FROM results WHERE fault IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1"
    ),
    "model": (
        "SELECT model, count(*) FROM results WHERE fault IS NULL GROUP BY 1 ORDER BY 2 DESC, 1"
    ),
    "tags": (
        "SELECT value, count(*) FROM results, json_each(results.tags) GROUP BY 1 ORDER BY 2 DESC, 1"
    ),
}


def stamp_columns(stamp: FileStamp | None) -> tuple[int | None, int | None, int | None]:
    """Return size, mtime_ns, ctime_ns."""
    return (None,) * 3 if stamp is None else (stamp.size, stamp.mtime_ns, stamp.ctime_ns)


def failure_columns(error: PhotoError | None) -> tuple[str | None, str | None]:
    """Return fault, detail."""
    return (None, None) if error is None else (error.fault.value, error.detail)


def read_photo(path: Path, row: Sequence[Any]) -> EmbeddedPhoto:
    """Read embedding, truncated, exif, sha256, fault, detail."""
    embedding, truncated, exif, sha256, fault, detail = row
    return EmbeddedPhoto(
        path,
        None if fault or embedding is None else as_embeddings(np.frombuffer(embedding, "<f4"))[0],
        _error(path, fault, detail),
        bool(truncated),
        msgspec.json.decode(exif, type=ExifPlaces),
        sha256,
    )


def result_row(result: PhotoResult) -> tuple[object, ...]:
    """Return the columns from types to stand_in."""
    problems = msgspec.json.encode(result.problems).decode()
    failure = failure_columns(result.error)
    return result.types, result.truncated, problems, *failure, *_columns(result.prediction)


def read_result(path: Path, row: Sequence[Any]) -> PhotoResult:
    """Read the columns that `result_row` returned, and `certain`."""
    types, truncated, problems, fault, detail, *prediction = row
    return PhotoResult(
        path,
        None if fault else _prediction(prediction),
        _error(path, fault, detail),
        types,
        bool(truncated),
        msgspec.json.decode(problems, type=tuple[str, ...]),
    )


def certain_column(prediction: Prediction | None) -> str | None:
    """Return certain."""
    return None if prediction is None else msgspec.json.encode(prediction.certain).decode()


def _columns(prediction: Prediction | None) -> tuple[object, ...]:
    if prediction is None:
        return (None,) * 6
    return (
        msgspec.json.encode(prediction.tags).decode(),
        prediction.low_confidence,
        msgspec.json.encode(dict(prediction.probabilities)).decode(),
        msgspec.json.encode(prediction.distance).decode(),
        prediction.model,
        prediction.stand_in,
    )


def _prediction(row: Sequence[Any]) -> Prediction:
    tags, low_confidence, probabilities, distance, model, stand_in, certain = row
    return Prediction(
        probabilities=msgspec.json.decode(probabilities, type=dict[str, float]),
        tags=msgspec.json.decode(tags, type=tuple[str, ...]),
        certain=msgspec.json.decode(certain or "[]", type=tuple[str, ...]),
        low_confidence=bool(low_confidence),
        distance=msgspec.json.decode(distance, type=Distance),
        model=model,
        stand_in=bool(stand_in),
    )


def _error(path: Path, fault: str | None, detail: str | None) -> PhotoError | None:
    return None if fault is None else PhotoError(str(path), PhotoFault(fault), detail or "")
