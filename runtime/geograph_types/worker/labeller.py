"""From rows to what is sent back of them."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np

from geograph_types.embedding import EMBEDDING_DIMENSION
from geograph_types.errors import RowError
from geograph_types.photos.embed import embed_photos
from geograph_types.stored.batch import RowBatch, distance_faults, distance_text, metres_of
from geograph_types.stored.score import score_batch
from geograph_types.tagger import TypeTagger
from geograph_types.worker.images import ImageFetcher, ImageRound
from geograph_types.worker.protocol import GivenRow, ImageEmbedding, Row, RowResult, labels_of

ROWS_AT_ONCE: Final = 8  # images whose results go to disk at once: a kill costs those, at most


class Labeller:
    """Computes labels with one bundle; with `practice`, results reach no archive."""

    def __init__(self, tagger: TypeTagger, fetcher: ImageFetcher, practice: bool) -> None:
        self.bundle = tagger.bundle.manifest.sha256  # tells its results from those of others
        self._tagger = tagger
        self._fetcher = fetcher
        self._practice = practice

    def label(
        self, rows: Collection[Row], prefix: str, images: ImageRound
    ) -> Iterator[list[RowResult]]:
        """Label rows, and yield a few results at a time; `images` takes what was not fetched."""
        bad = [row for row in rows if isinstance(row, RowError)]
        yield [RowResult.failed(row.gridimage_id or 0, row) for row in bad]
        good = [row for row in rows if not isinstance(row, RowError)]
        stored = [row for row in good if row.embeddings]
        vectors = [np.frombuffer(row.embeddings or b"", "<f4") for row in stored]
        yield self._scored(stored, vectors, made=False)
        to_fetch = [row for row in good if not row.embeddings]
        images.why_skipped = self._why_no_images()
        if images.why_skipped:
            images.skipped = len(to_fetch)
        elif to_fetch:
            yield from self._from_images(to_fetch, prefix, images)

    def _why_no_images(self) -> str:
        """Return why no embeddings may be made: a stand-in's must not get into an archive."""
        if not self._tagger.bundle.manifest.precisions:
            return "the bundle has no encoder, and they came without embeddings"
        if self._tagger.bundle.is_stand_in and not self._practice:
            return "the bundle's encoder is a stand-in, and they came without embeddings"
        return ""

    def _from_images(
        self, rows: Sequence[GivenRow], prefix: str, images: ImageRound
    ) -> Iterator[list[RowResult]]:
        by_path: dict[Path, GivenRow] = {}

        def paths() -> Iterator[Path]:
            for row, path in self._fetcher.fetch_all(rows, prefix, images):
                by_path[path] = row
                yield path

        with closing(embed_photos(self._tagger, paths())) as photos:
            while some := list(islice(photos, ROWS_AT_ONCE)):
                results, embedded, vectors = [], [], []
                for photo in some:
                    photo.path.unlink(missing_ok=True)
                    row = by_path.pop(photo.path)
                    if photo.error is not None:
                        results.append(RowResult.failed(row.number, photo.error))
                    elif photo.embedding is not None:
                        embedded.append(row)
                        vectors.append(photo.embedding)
                yield results + self._scored(embedded, vectors, made=True)

    def _scored(
        self, rows: Sequence[GivenRow], vectors: Sequence[np.ndarray], made: bool
    ) -> list[RowResult]:
        """Score an embedding for each row; those that were made here are sent as well."""
        if not rows:
            return []
        embeddings = np.array(vectors, np.float32).reshape(-1, EMBEDDING_DIMENSION)
        metres, bad_distances = metres_of([distance_text(row.distance) for row in rows])
        batch = RowBatch(np.arange(len(rows)), None, embeddings, metres, ())
        scored = score_batch(self._tagger, batch.without(distance_faults(bad_distances.items())))
        read = scored.read
        results = [RowResult.failed(rows[error.row].number, error) for error in read.errors]
        columns = (scored.probabilities, scored.certain_sets.tolist())
        for place, vector, probabilities, certain in zip(
            read.rows.tolist(), read.embeddings, *columns, strict=True
        ):
            number = rows[place].number
            data = vector.astype("<f4").tobytes()
            sent = ImageEmbedding(number, "image", data) if made else None
            labels = labels_of(number, probabilities)
            results.append(RowResult(number, labels, sent, certain=certain.bit_count()))
        return results
