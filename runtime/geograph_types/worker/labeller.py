"""From rows to what is sent back of them."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from geograph_types.embedding import EMBEDDING_DIMENSION
from geograph_types.errors import PhotoFault, RowError, RowFault
from geograph_types.photos.embed import EmbeddedPhoto, embed_photos
from geograph_types.stored.batch import (
    VECTOR_BYTES,
    RowBatch,
    check_rows,
    metres_of,
    wrong_length,
)
from geograph_types.tagger import TypeTagger
from geograph_types.worker.faults import FetchError, FetchFault
from geograph_types.worker.images import ImageFetcher
from geograph_types.worker.protocol import (
    GivenRow,
    ImageEmbedding,
    labels_of,
)
from geograph_types.worker.rows import RowResult

ROWS_AT_ONCE: Final = 8
"""Images whose results are put on disk at once: a kill costs those embeddings, at most."""

OUTAGE: Final = 5
"""Images in a row that cannot be had from their server, after which the others are left."""


@dataclass(slots=True)
class Postponed:
    """Images that could not be reached in one round.

    Attributes:
        rows: photos and what happened, in their order; these images' servers had answered.
        unreachable: photos and what happened where nothing was answered, or all was refused.
        gone: the server has said the same of all images: that they are not there.
        skipped: how many were not tried.
        why_skipped: why not.
        reached: some image was fetched, so there is no outage.
    """

    rows: list[tuple[int, str]] = field(default_factory=list)
    unreachable: list[tuple[int, str]] = field(default_factory=list)
    gone: bool = False
    skipped: int = 0
    why_skipped: str = "their server is away"
    reached: bool = False


class Labeller:
    """Computes labels with one bundle.

    Attributes:
        tagger: the bundle.
        postponed: what the last call of `label` left for later.
    """

    def __init__(self, tagger: TypeTagger, images: ImageFetcher, practice: bool) -> None:
        """Compute nothing yet.

        Args:
            tagger: the bundle.
            images: that fetches them.
            practice: results reach no archive, so a stand-in encoder will do.
        """
        self.tagger = tagger
        self.postponed = Postponed()
        self._images = images
        self._practice = practice

    @property
    def bundle(self) -> str:
        """Digest by which results of one bundle are told from those of another."""
        return self.tagger.bundle.manifest.sha256

    def label(self, rows: Sequence[GivenRow], prefix: str) -> Iterator[list[RowResult]]:
        """Compute the labels of rows; a row that cannot be used costs itself only.

        Args:
            rows: with embeddings, or with the address of an image.
            prefix: of those addresses.

        Yields:
            Results, a few at a time; none for images that cannot be reached now.

        Raises:
            BundleError: the bundle lacks the head or the encoder, or is damaged.
            DecoderError: no process can be started to decode in.
        """
        self.postponed = Postponed()
        stored = [row for row in rows if row.embeddings]
        if stored:
            yield self._from_embeddings(stored)
        images = [row for row in rows if not row.embeddings]
        why_not = self._why_no_images()
        if images and why_not:
            self.postponed.skipped, self.postponed.why_skipped = len(images), why_not
        elif images:
            yield from self._from_images(images, prefix)

    def _why_no_images(self) -> str:
        """Say why no embeddings may be made; empty where they may.

        Those of a stand-in encoder must not get into an archive; a server on this machine is none.
        """
        if not self.tagger.bundle.manifest.precisions:
            return "the bundle has no encoder, and they came without embeddings"
        if self.tagger.bundle.is_stand_in and not self._practice:
            return "the bundle's encoder is a stand-in, and they came without embeddings"
        return ""

    def _from_embeddings(self, rows: Sequence[GivenRow]) -> list[RowResult]:
        """Score stored embeddings."""
        whole, results = [], []
        for row in rows:
            vector = row.embeddings or b""
            if len(vector) == VECTOR_BYTES:
                whole.append(row)
            else:
                fault = RowFault.WRONG_LENGTH.value
                results.append(RowResult.failed(row.number, fault, wrong_length(vector)))
        vectors = np.frombuffer(b"".join(row.embeddings or b"" for row in whole), "<f4")
        return results + self._scored(whole, vectors.reshape(-1, EMBEDDING_DIMENSION), made=False)

    def _from_images(self, rows: Sequence[GivenRow], prefix: str) -> Iterator[list[RowResult]]:
        """Fetch, decode and embed images, and score what comes of them."""
        by_path: dict[Path, GivenRow] = {}
        failed: list[RowResult] = []
        fetched = self._fetched(rows, prefix, by_path, failed)
        with closing(embed_photos(self.tagger, fetched)) as photos:
            some: list[EmbeddedPhoto] = []
            for photo in photos:
                photo.path.unlink(missing_ok=True)
                some.append(photo)
                if len(some) == ROWS_AT_ONCE:
                    yield [*_drained(failed), *self._from_photos(some, by_path)]
                    some = []
        rest = [*_drained(failed), *self._from_photos(some, by_path)]
        if rest:
            yield rest

    def _fetched(
        self,
        rows: Sequence[GivenRow],
        prefix: str,
        by_path: dict[Path, GivenRow],
        failed: list[RowResult],
    ) -> Iterator[Path]:
        """Fetch images while those before them are decoded.

        Where a server refuses one image among others, that one has failed. Where it refuses all
        there are, or begins to, it has shut this machine out, which says nothing of the images. Nor
        does it where all are said not to be there: its disk may be away.
        """
        postponed = self.postponed
        refused: list[RowResult] = []
        in_a_row = 0
        for row in rows:
            if in_a_row == OUTAGE:
                postponed.skipped += 1
                continue
            try:
                path = self._images.fetch(row.number, prefix, row.fullpath or "")
            except FetchError as error:
                in_a_row += not error.answered
                if error.fault is not FetchFault.UNREACHABLE:
                    result = RowResult.failed(row.number, error.fault.value, error.detail)
                    (failed if error.answered else refused).append(result)
                elif error.answered:
                    postponed.rows.append((row.number, error.detail))
                else:
                    postponed.unreachable.append((row.number, error.detail))
            else:
                postponed.reached, in_a_row = True, 0
                failed += _drained(refused)
                by_path[path] = row
                yield path
        if postponed.reached and in_a_row < OUTAGE:
            failed += refused
        elif refused:
            postponed.unreachable += [(result.number, result.detail) for result in refused]
            postponed.why_skipped = "their server lets this machine have none"
        if len(rows) == len(failed) > 1 and _are_alike(failed):
            postponed.gone = True
            postponed.unreachable = [(result.number, result.detail) for result in _drained(failed)]

    def _from_photos(
        self, photos: Sequence[EmbeddedPhoto], by_path: dict[Path, GivenRow]
    ) -> list[RowResult]:
        results, rows, vectors = [], [], []
        for photo in photos:
            row = by_path.pop(photo.path)
            if photo.embedding is None:
                fault = photo.error.fault if photo.error else PhotoFault.DAMAGED
                detail = photo.error.detail if photo.error else ""
                results.append(RowResult.failed(row.number, fault.value, detail))
            else:
                rows.append(row)
                vectors.append(photo.embedding)
        if rows:
            results += self._scored(rows, np.stack(vectors), made=True)
        return results

    def _scored(
        self,
        rows: Sequence[GivenRow],
        embeddings: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
        made: bool,
    ) -> list[RowResult]:
        """Score [N, 512] embeddings of N rows, those that can be used.

        Args:
            rows: of which they are.
            embeddings: float32 [N, 512].
            made: they were made here, and are sent as well.
        """
        if not rows:
            return []
        places = np.arange(len(rows), dtype=np.int64)
        metres, bad_distances = metres_of([row.distance_text for row in rows])
        batch = check_rows(RowBatch(places, None, embeddings, metres, ()), bad_distances.items())
        results = [_failure(rows[error.row], error) for error in batch.errors]
        scores = self.tagger.score(batch.embeddings, batch.metres) if len(batch.rows) else ()
        for place, vector, probabilities in zip(
            batch.rows.tolist(), batch.embeddings, scores, strict=True
        ):
            number = rows[place].number
            data = vector.astype("<f4").tobytes()
            sent = ImageEmbedding(number, "image", data) if made else None
            results.append(RowResult(number, labels_of(number, probabilities), sent))
        return results


def _are_alike(failed: Sequence[RowResult]) -> bool:
    """Tell whether images have all failed with one and the same status of HTTP."""
    said = {(result.fault, result.detail) for result in failed}
    return len(said) == 1 and failed[0].fault == FetchFault.NOT_THERE


def _drained(results: list[RowResult]) -> list[RowResult]:
    taken = results.copy()
    results.clear()
    return taken


def _failure(row: GivenRow, error: RowError) -> RowResult:
    return RowResult.failed(row.number, error.fault.value, error.detail)
