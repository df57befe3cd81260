"""Decode photos in threads, a bounded amount at once.

Threads and not processes: a process with a decoder of its own takes 45 MB, a sixth of what the
whole service may take. Pillow's decoders release the interpreter while they work, and what may be
decoded is limited before it begins, by pixels and by memory.
"""

from dataclasses import dataclass
from threading import Condition
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from geograph_types.decoding.open import decode_photo, decoding_memory
from geograph_types.distance.exif import ExifPlaces
from geograph_types.errors import PhotoError, PhotoFault
from geograph_types.preprocess import preprocess
from geograph_types.serve.problems import too_late
from geograph_types.serve.settings import MEBIBYTE


@dataclass(frozen=True, slots=True, eq=False)
class ServedPhoto:
    pixels: NDArray[np.uint8]  # [224, 224, 3]
    exif: ExifPlaces
    truncated: bool  # the file was cut off, and is used as far as it goes


class Decoder:
    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes  # for all photos that are decoded at once
        self._taken = 0
        self._freed = Condition()

    def decode(self, data: bytes, deadline: float) -> ServedPhoto:
        """Decode and preprocess a photo, unless it would begin after the deadline."""
        if monotonic() > deadline:
            raise too_late()
        needed = decoding_memory(data)
        if needed > self._limit:
            raise PhotoError(
                "image",
                PhotoFault.TOO_MANY_PIXELS,
                f"decoding takes {needed / MEBIBYTE:.0f} MiB and this server allows "
                f"{self._limit / MEBIBYTE:.0f}: send it smaller, or as plain JPEG",
            )
        with self._freed:
            while self._taken + needed > self._limit:
                if not self._freed.wait(deadline - monotonic()):
                    raise too_late()
            self._taken += needed
        try:
            photo = decode_photo(data)
            return ServedPhoto(preprocess(photo.image), photo.exif, photo.truncated)
        finally:
            with self._freed:
                self._taken -= needed
                self._freed.notify_all()
