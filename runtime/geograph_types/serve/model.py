"""The model of the service: loaded while the rest starts, dropped when idle, loaded again."""

import gc
from threading import Lock
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from geograph_types.bundle import Bundle
from geograph_types.embedding import EMBEDDING_DIMENSION
from geograph_types.preprocess import CROP
from geograph_types.system.memory import return_freed_memory
from geograph_types.tagger import PrecisionChoice, TypeTagger


class Model:
    """A bundle's encoder and head; the encoder may be dropped."""

    def __init__(
        self, bundle: Bundle, threads: int | None, precision: PrecisionChoice = "auto"
    ) -> None:
        """Check that the bundle has what is needed; nothing is loaded yet."""
        self.bundle = bundle
        self.last_used = monotonic()  # when the encoder last ran
        self.was_loaded = False  # the encoder has been in memory, and can be again
        self._threads = threads
        self._precision: PrecisionChoice = precision
        plan = TypeTagger.for_many(bundle, "cpu", precision, threads)
        self.streams = plan.streams  # runs of the encoder at once
        self.batch = plan.batch  # photos in each of them
        # The head is small: with a thread of its own it never waits for the encoder's.
        self.head = TypeTagger(bundle, "cpu", precision, 1)
        self.head.bundle.find("head")
        self.head.bundle.find("encoder", self.head.precision)
        self._encoder: TypeTagger | None = None
        self._lock = Lock()

    @property
    def is_loaded(self) -> bool:
        return self._encoder is not None

    def load(self) -> None:
        """Load; it returns nothing, since whoever kept the encoder would keep its memory."""
        self._loaded()

    def _loaded(self) -> TypeTagger:
        """Load the encoder and run it once, so that the first request finds its memory."""
        with self._lock:
            if self._encoder is None:
                encoder = TypeTagger.for_many(self.bundle, "cpu", self._precision, self._threads)
                encoder.embed_pixels(np.zeros((1, CROP, CROP, 3), np.uint8))
                vector = np.ones((1, EMBEDDING_DIMENSION), np.float32)
                self.head.score_buckets(vector, np.array([0]))
                self._encoder = encoder
                self.was_loaded = True
                self.last_used = monotonic()
            return self._encoder

    def unload(self) -> None:
        """Drop the encoder, and return its memory to the system."""
        with self._lock:
            self._encoder = None
            gc.collect()
            return_freed_memory()

    def embed(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Compute embeddings, [N, 224, 224, 3] to [N, 512], in `streams` threads at once."""
        embeddings = self._loaded().embed_pixels(pixels)
        self.last_used = monotonic()
        return embeddings
