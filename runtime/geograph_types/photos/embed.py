"""Many photos: decoded beside one another while the encoder runs, a bounded number at a time."""

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geograph_types.decoding.pool import TIME_LIMIT, DecoderPool, PhotoPixels
from geograph_types.decoding.process import Options
from geograph_types.distance.exif import NO_EXIF, ExifPlaces
from geograph_types.errors import PhotoError
from geograph_types.system.cpu import usable_cpus
from geograph_types.tagger import TypeTagger

AHEAD: Final = 3
"""Batches for each stream that are decoded, or being decoded, ahead of it."""


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedPhoto:
    """One photo's embedding, or why there is none."""

    path: Path
    embedding: NDArray[np.float32] | None  # [512]; `None` if the photo cannot be used
    error: PhotoError | None
    truncated: bool = False  # the file was cut off, and was used as far as it goes
    exif: ExifPlaces = NO_EXIF  # where camera and subject stood, as the file says
    sha256: bytes | None = None  # of the file, if asked for
    thumbnail: bytes | None = None  # if asked for


def embed_photos(
    tagger: TypeTagger,
    paths: Iterable[Path],
    jobs: int | None = None,
    exact: bool = False,
    time_limit: float = TIME_LIMIT,
    digest: bool = False,
    thumbnails: bool = False,
) -> Generator[EmbeddedPhoto, None, None]:
    """Embed photos in batches, as many at once as the tagger has streams, in their order.

    At most three batches a stream are decoded ahead, so memory does not grow with the number of
    photos. A photo that cannot be used costs itself only, even if it kills its decoder.
    """
    remaining = iter(paths)
    options = Options(exact, digest, thumbnails)
    with (
        closing(DecoderPool(jobs or usable_cpus(), options, time_limit)) as decoders,
        ThreadPoolExecutor(tagger.streams, "embed") as runs,
    ):
        waiting: deque[tuple[Path, Future[PhotoPixels]]] = deque()
        running: deque[Future[list[EmbeddedPhoto]]] = deque()

        def refill() -> None:
            for path in islice(remaining, AHEAD * tagger.streams * tagger.batch - len(waiting)):
                waiting.append((path, decoders.submit(path)))

        refill()
        while waiting or running:
            if waiting and len(running) < tagger.streams:
                batch = [waiting.popleft() for _ in range(min(tagger.batch, len(waiting)))]
                decoded = [(path, *_outcome(future)) for path, future in batch]
                refill()
                tagger.load()  # here, once: two runs would each begin to
                running.append(runs.submit(_embed_batch, tagger, decoded))
            else:
                yield from running.popleft().result()


def _outcome(future: Future[PhotoPixels]) -> tuple[PhotoPixels | None, PhotoError | None]:
    try:
        return future.result(), None
    except PhotoError as error:
        return None, error


def _embed_batch(
    tagger: TypeTagger,
    decoded: list[tuple[Path, PhotoPixels | None, PhotoError | None]],
) -> list[EmbeddedPhoto]:
    good = [photo.pixels for _, photo, _ in decoded if photo is not None]
    vectors = iter(tagger.embed_pixels(np.stack(good))) if good else iter(())
    return [
        EmbeddedPhoto(path, None, error)
        if photo is None
        else EmbeddedPhoto(
            path,
            next(vectors),
            None,
            photo.truncated,
            photo.exif,
            photo.sha256,
            photo.thumbnail,
        )
        for path, photo, error in decoded
    ]
