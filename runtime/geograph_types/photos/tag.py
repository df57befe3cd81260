"""Tag many photos: with distances from the best source, and a catalogue that remembers."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

import numpy as np

from geograph_types.bundle import Bundle
from geograph_types.distance.distance import Distance, DistanceSource
from geograph_types.distance.sources import NOWHERE, BestDistance, best_distance
from geograph_types.errors import EmbeddingError, InputError, PhotoError, PhotoFault
from geograph_types.photos.catalog import Catalog, Encoding, PendingPhoto
from geograph_types.photos.embed import EmbeddedPhoto, embed_photos
from geograph_types.photos.labels import PhotoLabels, label_key
from geograph_types.photos.result import PhotoResult
from geograph_types.prediction import Prediction
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
    thumbnails: bool = False,
) -> Iterator[EmbeddedPhoto]:
    """Open photos, and write what comes of them into a catalogue before it is passed on.

    Each batch of the encoder is one transaction: a run that is killed loses those that it was
    computing, one for each of the tagger's streams.
    """
    encoding = encoding_of(tagger, exact)
    paths = [photo.path for photo in pending]
    opened = embed_photos(tagger, paths, jobs, exact, digest=True, thumbnails=thumbnails)
    with closing(opened) as embedded:
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
    errors = [_error(photo, row) for photo, row in rows]
    found = [
        best_distance(row.places if row else NOWHERE, photo.exif.places) if error is None else None
        for (photo, row), error in zip(rows, errors, strict=True)
    ]
    good = [
        (photo, best.distance)
        for photo, best in zip(photos, found, strict=True)
        if best is not None
    ]
    predictions = iter(_predict(tagger, good, threshold))
    for (photo, row), error, best in zip(rows, errors, found, strict=True):
        types = row.types if row else ""
        if best is None:
            yield PhotoResult(photo.path, None, error, types)
        else:
            prediction, problems = next(predictions), _problems(photo, best)
            yield PhotoResult(photo.path, prediction, None, types, photo.truncated, problems)


def _predict(
    tagger: TypeTagger, photos: Sequence[tuple[EmbeddedPhoto, Distance]], threshold: float | None
) -> Sequence[Prediction]:
    if not photos:
        return ()
    vectors = np.stack([photo.embedding for photo, _ in photos if photo.embedding is not None])
    try:
        return tagger.predict(vectors, [distance for _, distance in photos], threshold)
    except EmbeddingError as error:
        raise InputError(f"{photos[error.row][0].path}: {error}") from None


def _error(photo: EmbeddedPhoto, row: PhotoLabels | None) -> PhotoError | None:
    if photo.error is None and row and row.error:
        return PhotoError(str(photo.path), PhotoFault.BAD_DISTANCE, row.error)
    return photo.error


def _problems(photo: EmbeddedPhoto, best: BestDistance) -> tuple[str, ...]:
    """Return what is wrong with EXIF, unless the labels file decided without it."""
    if best.distance.source is DistanceSource.STATED and best.problem is None:
        return ()
    return photo.exif.problems + ((best.problem,) if best.problem else ())


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch
