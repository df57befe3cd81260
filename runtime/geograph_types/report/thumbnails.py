"""Small pictures of many photos, made one after the other in bounded memory."""

from collections import deque
from collections.abc import Generator, Iterable, Mapping
from concurrent.futures import Future
from contextlib import closing
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Final

from geograph_types.decoding.pool import DecoderPool, PhotoPixels
from geograph_types.decoding.process import Options
from geograph_types.errors import PhotoError
from geograph_types.photos.result import PhotoResult
from geograph_types.system.cpu import usable_cpus

AHEAD: Final = 4
"""Photos that are decoded ahead, for each decoding process."""


def with_thumbnails(
    results: Iterable[PhotoResult],
    jobs: int | None = None,
    known: Mapping[Path, bytes] = MappingProxyType({}),
) -> Generator[tuple[PhotoResult, bytes | None], None, None]:
    """Add a thumbnail to each result: the middle square of the photo, as the encoder sees it.

    Photos of which none is known are decoded as they are for the encoder, in processes of their
    own, a few ahead. There is no picture (`None`) of a photo that failed, has gone since, or kills
    its decoder.
    """
    remaining = iter(results)
    count = jobs or usable_cpus()
    with closing(DecoderPool(count, Options(thumbnail=True))) as decoders:
        waiting: deque[tuple[PhotoResult, Future[PhotoPixels] | None]] = deque()

        def refill() -> None:
            for result in islice(remaining, 1 + AHEAD * count - len(waiting)):
                needed = result.prediction and result.path not in known
                waiting.append((result, decoders.submit(result.path) if needed else None))

        refill()
        while waiting:
            result, decoded = waiting.popleft()
            yield result, _thumbnail(decoded) if decoded else known.get(result.path)
            refill()


def _thumbnail(decoded: Future[PhotoPixels]) -> bytes | None:
    try:
        return decoded.result().thumbnail
    except PhotoError:
        return None
