"""Tag many photos: with distances from the best source, and a catalogue that remembers."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

import numpy as np

from geograph_types.bundle import Bundle
from geograph_types.distance.distance import DistanceSource
from geograph_types.distance.sources import NOWHERE, BestDistance, best_distance
from geograph_types.errors import PhotoError, PhotoFault
from geograph_types.photos.catalog import Catalog, Encoding, PendingPhoto
from geograph_types.photos.embed import EmbeddedPhoto, embed_photos
from geograph_types.photos.labels import PhotoLabels, label_key
from geograph_types.photos.result import PhotoResult
from geograph_types.tagger import TypeTagger

T = TypeVar("T")

RESULTS_BATCH: Final = 512
"""Results that are committed together: they cost a fraction of a millisecond to make again."""


def encoding_of(tagger: TypeTagger, exact: bool) -> Encoding:
    """Return what the embeddings of a tagger depend on."""
    return Encoding(tagger.bundle.find("encoder", tagger.precision).sha256, exact)


def embed_into(
    catalog: Catalog,
    tagger: TypeTagger,
    pending: Sequence[PendingPhoto],
    exact: bool = False,
    jobs: int | None = None,
) -> Iterator[EmbeddedPhoto]:
    """Open photos, and write what comes of them into a catalogue before it is passed on.

    Each batch of the encoder is one transaction: a run that is killed loses those that it was
    computing, one for each of the tagger's streams.
    """
    encoding = encoding_of(tagger, exact)
    paths = [photo.path for photo in pending]
    with closing(embed_photos(tagger, paths, jobs, exact, digest=True)) as embedded:
        for batch in _batches(zip(pending, embedded, strict=True), tagger.batch):
            catalog.store_photos(batch, encoding)
            yield from (photo for _, photo in batch)


def tag_photos(
    tagger: TypeTagger,
    photos: Iterable[EmbeddedPhoto],
    labels: Mapping[Path, PhotoLabels],
    threshold: float | None = None,
) -> Iterator[PhotoResult]:
    """Tag photos in order, each with the distance from its row of a labels file and its EXIF."""
    for batch in _batches(photos, tagger.batch):
        yield from _tag_batch(tagger, batch, labels, threshold)


def keep_results(
    catalog: Catalog, results: Iterable[PhotoResult], bundle: Bundle
) -> Iterator[PhotoResult]:
    """Write results into a catalogue, and pass them on."""
    for batch in _batches(results, RESULTS_BATCH):
        catalog.store_results(batch, bundle)
        yield from batch


def _tag_batch(
    tagger: TypeTagger,
    photos: Sequence[EmbeddedPhoto],
    labels: Mapping[Path, PhotoLabels],
    threshold: float | None,
) -> Iterator[PhotoResult]:
    rows = [(photo, labels.get(label_key(photo.path))) for photo in photos]
    good = [
        (embedding, _distance(photo, row).distance)
        for photo, row in rows
        if (embedding := photo.embedding) is not None and _error(photo, row) is None
    ]
    vectors, distances = [vector for vector, _ in good], [distance for _, distance in good]
    predictions = iter(tagger.predict(np.stack(vectors), distances, threshold) if good else ())
    for photo, row in rows:
        types = row.types if row else ""
        error = _error(photo, row)
        if error is not None:
            yield PhotoResult(photo.path, None, error, types)
        else:
            problems = _problems(photo, _distance(photo, row))
            prediction = next(predictions)
            yield PhotoResult(photo.path, prediction, None, types, photo.truncated, problems)


def _error(photo: EmbeddedPhoto, row: PhotoLabels | None) -> PhotoError | None:
    if photo.error is None and row and row.error:
        return PhotoError(str(photo.path), PhotoFault.BAD_DISTANCE, row.error)
    return photo.error


def _distance(photo: EmbeddedPhoto, row: PhotoLabels | None) -> BestDistance:
    return best_distance(row.places if row else NOWHERE, photo.exif.places)


def _problems(photo: EmbeddedPhoto, best: BestDistance) -> tuple[str, ...]:
    """Return what is wrong with EXIF, unless the labels file decided without it."""
    if best.distance.source is DistanceSource.STATED and best.problem is None:
        return ()
    return photo.exif.problems + ((best.problem,) if best.problem else ())


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch
