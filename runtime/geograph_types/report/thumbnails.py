"""Small pictures of many photos, made one after the other in bounded memory."""

import io
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future
from contextlib import closing
from itertools import islice
from typing import Final

from PIL import Image

from geograph_types.decoding.pool import DecoderPool, PhotoPixels
from geograph_types.errors import PhotoError
from geograph_types.photos.result import PhotoResult
from geograph_types.system.cpu import usable_cpus

SIDE: Final = 192
"""Width and height of a thumbnail, in pixels."""

QUALITY: Final = 60
"""Of WebP: 5 kB for a photograph."""

AHEAD: Final = 4
"""Photos that are decoded ahead, for each decoding process."""


def with_thumbnails(
    results: Iterable[PhotoResult], jobs: int | None = None
) -> Generator[tuple[PhotoResult, bytes | None], None, None]:
    """Add a thumbnail to each result: the middle square of the photo, as the encoder sees it.

    Photos are decoded as they are for the encoder, in processes of their own, a few ahead. There is
    no picture (`None`) of a photo that failed, has gone since, or kills its decoder.
    """
    remaining = iter(results)
    count = jobs or usable_cpus()
    with closing(DecoderPool(count)) as decoders:
        waiting: deque[tuple[PhotoResult, Future[PhotoPixels] | None]] = deque()

        def refill() -> None:
            for result in islice(remaining, 1 + AHEAD * count - len(waiting)):
                pixels = decoders.submit(result.path) if result.prediction else None
                waiting.append((result, pixels))

        refill()
        while waiting:
            result, pixels = waiting.popleft()
            yield result, _thumbnail(pixels) if pixels else None
            refill()


def _thumbnail(pixels: Future[PhotoPixels]) -> bytes | None:
    try:
        image = Image.fromarray(pixels.result().pixels)
    except PhotoError:
        return None
    buffer = io.BytesIO()
    small = image.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    # Method 2 takes half the time of the default, for 5 % more bytes.
    small.save(buffer, "WEBP", quality=QUALITY, method=2)
    return buffer.getvalue()
