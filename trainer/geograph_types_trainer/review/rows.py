"""What a queue is made of: rows of a dataset, photos of a catalogue, or results."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from geograph_types.distance.distance import Distance
from geograph_types.errors import InputError, RowError
from geograph_types.files.csv_rows import read_rows
from geograph_types.files.lines import open_input, read_lines
from geograph_types.photos.catalog import open_catalog
from geograph_types.photos.labels import PhotoLabels, id_from_name, label_key
from geograph_types.stored.parquet import read_cells
from geograph_types.stored.read import read_dataset
from geograph_types.tagger import TypeTagger
from geograph_types.taxonomy import CLASSES, PROBABILITY_COLUMNS
from geograph_types_trainer.labels import target_of

SQLITE_MAGIC: Final = b"SQLite format 3"
PARQUET_MAGIC: Final = b"PAR1"
SCORED: Final = b'"probabilities"'
"""What a line of results has and one of a dataset has not."""
ANY_SCORE: Final = next(iter(PROBABILITY_COLUMNS.values()))
"""A column that a table of results has and a dataset has not."""
CELLS: Final = (
    *("photo", "gridimage_id", "types", "status", "distance", "distance_metres"),
    *PROBABILITY_COLUMNS.values(),
)
UNKNOWN_TEXTS: Final = ("", "Unknown", "nan")

PHOTO_PAGE: Final = "https://www.geograph.org.uk/photo/{}"


class ReviewRow(NamedTuple):
    """A row and what the model says of it."""

    gridimage_id: int
    link: str  # of the photo itself, or of its page
    types: str  # raw tags as given; empty if unknown
    distance: Distance
    probabilities: NDArray[np.floating]  # [7]

    @property
    def labels(self) -> bytes | None:
        """Seven, 1 where a class is given; all 0 without tags, `None` if they cannot be read."""
        metres = self.distance.metres
        try:
            return (
                target_of(self.types, "Unknown" if metres is None else f"{metres:.3f}").labels
                if self.types
                else bytes(len(CLASSES))
            )
        except RowError:
            return None


def read_review_rows(
    path: Path, tagger: TypeTagger, labels: Mapping[Path, PhotoLabels]
) -> Iterator[ReviewRow]:
    """Read a dataset, a catalogue, or results of `score`, `tag` or `archive run`, and score rows.

    Results have their scores; of a folder, all its Parquet files are read. A catalogue's photos
    have the ids that `labels` gives them, else those that `embed` makes of their names.
    """
    if path.is_dir():
        files = sorted(path.rglob("*.parquet"))
        if not files:
            raise InputError(f"{path} has no Parquet files: name a file, or the folder of a run")
        return chain.from_iterable(map(_of_parquet, files))
    with open_input(path) as stream:
        head = stream.read(1 << 12)
    if head.startswith(SQLITE_MAGIC):
        return _of_catalog(path, tagger, labels)
    first = head.partition(b"\n")[0]
    if head.startswith(PARQUET_MAGIC):
        is_scored = any(ANY_SCORE in row for row in islice(read_cells(path, [ANY_SCORE]), 1))
        return _of_parquet(path) if is_scored else _of_dataset(path, tagger)
    if ANY_SCORE.encode() in first:
        return _of_cells(path, (row for _, row in read_rows(path)[1]))
    return _of_lines(path) if SCORED in first else _of_dataset(path, tagger)


def _of_dataset(path: Path, tagger: TypeTagger) -> Iterator[ReviewRow]:
    for batch in read_dataset(path):
        distances = [Distance.parse(text) for text in batch.distances]
        scores = tagger.score(batch.embeddings, distances)
        for row in zip(batch.ids.tolist(), batch.types, distances, scores, strict=True):
            yield ReviewRow(row[0], PHOTO_PAGE.format(row[0]), *row[1:])


def _of_catalog(
    path: Path, tagger: TypeTagger, labels: Mapping[Path, PhotoLabels]
) -> Iterator[ReviewRow]:
    with open_catalog(path, read_only=True) as catalog:
        results = {one.path: one for one in catalog.results()}
        for photo in catalog.photos(results):
            result, known = results[photo.path], labels.get(label_key(photo.path))
            if photo.embedding is None or result.prediction is None:
                continue
            distance = result.prediction.distance
            (scores,) = tagger.score([photo.embedding], [distance])
            number = known.gridimage_id if known else id_from_name(photo.path.name)
            types = result.types or (known.types if known else "")
            yield ReviewRow(number, photo.path.as_uri(), types, distance, scores)


def _of_lines(path: Path) -> Iterator[ReviewRow]:
    with open_input(path) as stream:
        for number, line in enumerate(read_lines(stream, path), start=1):
            with _placed(path, f"line {number}"):
                row: dict[str, Any] = msgspec.json.decode(line)
                if row["status"] == "ok":
                    scores = [row["probabilities"][name] for name in CLASSES]
                    yield _scored(row, scores, row["distance"]["metres"])


def _of_parquet(path: Path) -> Iterator[ReviewRow]:
    return _of_cells(path, read_cells(path, CELLS))


def _of_cells(path: Path, rows: Iterable[Mapping[str, Any]]) -> Iterator[ReviewRow]:
    """Read rows of a table of results; `score` has metres as distances, `archive run` buckets."""
    for number, row in enumerate(rows, start=1):
        with _placed(path, f"row {number}"):
            if row["status"] == "ok":
                scores = [float(row[column]) for column in PROBABILITY_COLUMNS.values()]
                metres = row.get("distance_metres", row.get("distance"))
                text = "" if metres is None else str(metres)
                yield _scored(row, scores, float(text) if text not in UNKNOWN_TEXTS else None)


def _scored(row: Mapping[str, Any], scores: list[float], metres: float | None) -> ReviewRow:
    if row.get("gridimage_id") in (None, ""):
        photo = Path(row["photo"])
        identity, link = id_from_name(photo.name), photo.absolute().as_uri()
    else:
        identity = int(row["gridimage_id"])
        link = PHOTO_PAGE.format(identity)
    distance = Distance.from_metres(metres)
    return ReviewRow(identity, link, row.get("types") or "", distance, np.array(scores))


@contextmanager
def _placed(path: Path, where: str) -> Iterator[None]:
    try:
        yield
    except (msgspec.DecodeError, KeyError, TypeError, ValueError):
        raise InputError(f"{path}, {where}: not a result of a photo or row with an id") from None
