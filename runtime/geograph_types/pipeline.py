"""Many photos: decoded in threads while the encoder runs, in a bounded number at a time."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geograph_types.cpu import usable_cpus
from geograph_types.errors import PhotoError
from geograph_types.images import open_photo
from geograph_types.preprocess import preprocess
from geograph_types.tagger import ENCODER_BATCH, TypeTagger

__all__ = ["EmbeddedPhoto", "embed_photos"]


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedPhoto:
    """What became of one photo.

    Attributes:
        path: the photo.
        embedding: float32 [512], or `None` where it could not be used.
        error: why not.
    """

    path: Path
    embedding: NDArray[np.float32] | None
    error: PhotoError | None


def embed_photos(
    tagger: TypeTagger, paths: Iterable[Path], jobs: int | None = None
) -> Iterator[EmbeddedPhoto]:
    """Embed photos one batch after the other, in the order in which they come.

    At most two batches are decoded ahead, so memory does not grow with the number of photos.

    Args:
        tagger: with an encoder.
        paths: the photos.
        jobs: decoding threads; `None` follows the CPU quota.

    Yields:
        One result a photo; a photo that cannot be used costs itself only.

    Raises:
        BundleError: the bundle lacks the encoder, or is damaged.
    """
    remaining = iter(paths)
    with ThreadPoolExecutor(jobs or usable_cpus()) as pool:
        waiting: deque[tuple[Path, Future[NDArray[np.uint8]]]] = deque()

        def refill() -> None:
            for path in islice(remaining, 3 * ENCODER_BATCH - len(waiting)):
                waiting.append((path, pool.submit(_pixels, path)))

        refill()
        while waiting:
            batch = [waiting.popleft() for _ in range(min(ENCODER_BATCH, len(waiting)))]
            decoded = [(path, *_outcome(future)) for path, future in batch]
            refill()
            yield from _embed_batch(tagger, decoded)


def _pixels(path: Path) -> NDArray[np.uint8]:
    try:
        return preprocess(open_photo(path))
    except PhotoError as error:
        raise PhotoError(str(path), error.fault, error.detail) from None


def _outcome(
    future: "Future[NDArray[np.uint8]]",
) -> tuple[NDArray[np.uint8] | None, PhotoError | None]:
    try:
        return future.result(), None
    except PhotoError as error:
        return None, error


def _embed_batch(
    tagger: TypeTagger,
    decoded: list[tuple[Path, NDArray[np.uint8] | None, PhotoError | None]],
) -> Iterator[EmbeddedPhoto]:
    good = [pixels for _, pixels, _ in decoded if pixels is not None]
    vectors = iter(tagger.embed_pixels(np.stack(good))) if good else iter(())
    for path, pixels, error in decoded:
        yield EmbeddedPhoto(path, None if pixels is None else next(vectors), error)
