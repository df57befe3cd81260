"""What a queue is made of: rows of a dataset, photos of a catalogue, or lines of results."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from geograph_types.distance.distance import Distance
from geograph_types.errors import InputError, RowError
from geograph_types.files.lines import open_input, read_lines
from geograph_types.photos.catalog import open_catalog
from geograph_types.photos.labels import PhotoLabels, id_from_name, label_key
from geograph_types.stored.read import read_dataset
from geograph_types.tagger import TypeTagger
from geograph_types.taxonomy import CLASSES
from geograph_types_trainer.labels import target_of

SQLITE_MAGIC: Final = b"SQLite format 3"
SCORED: Final = b'"probabilities"'
"""What a line of results has and one of a dataset has not."""

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
    """Read a dataset, a catalogue, or results of `score` or `tag` as JSON Lines, and score rows.

    Lines of results have their scores. A catalogue's photos have the ids that `labels` gives them,
    else those that `embed` makes of their names.
    """
    with open_input(path) as stream:
        head = stream.read(1 << 12)
    if head.startswith(SQLITE_MAGIC):
        return _of_catalog(path, tagger, labels)
    return _of_results(path) if SCORED in head.partition(b"\n")[0] else _of_dataset(path, tagger)


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


def _of_results(path: Path) -> Iterator[ReviewRow]:
    with open_input(path) as stream:
        for number, line in enumerate(read_lines(stream, path), start=1):
            try:
                row: dict[str, Any] = msgspec.json.decode(line)
                if row["status"] != "ok":
                    continue
                scores = np.array([row["probabilities"][name] for name in CLASSES])
                distance = Distance.from_metres(row["distance"]["metres"])
                photo = Path(row["photo"]) if "photo" in row else None
                identity = id_from_name(photo.name) if photo else int(row["gridimage_id"])
            except (msgspec.DecodeError, KeyError, TypeError, ValueError):
                raise InputError(
                    f"{path}, line {number}: not a result of 'score' or 'tag' with an id"
                ) from None
            link = photo.absolute().as_uri() if photo else PHOTO_PAGE.format(identity)
            yield ReviewRow(identity, link, row.get("types", ""), distance, scores)
