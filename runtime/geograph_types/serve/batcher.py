"""Run the photos that wait together: the encoder is faster with several than with one."""

import asyncio
from concurrent.futures import Executor
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from geograph_types.serve.metrics import Metrics
from geograph_types.serve.model import Model
from geograph_types.serve.problems import too_late
from geograph_types.serve.settings import Limits

# Pixels, a deadline, and the embedding to be: cancelled by whoever has left.
_Waiting = tuple[NDArray[np.uint8], float, asyncio.Future[NDArray[np.float32]]]


class Batcher:
    """Collect photos while the encoder's streams are busy, and run them when one is free.

    A photo that comes while nothing else is being done is run at once. While others are being
    decoded, a batch that is not full waits for them, for a few milliseconds.
    """

    def __init__(self, model: Model, loader: Executor, limits: Limits, metrics: Metrics) -> None:
        """Prepare for use in the running event loop; `loader` has a thread for each stream."""
        self.expected = 0  # photos that are being decoded; whoever decodes counts them here
        self._model = model
        self._loader = loader
        self._size = min(limits.batch, model.batch)
        self._wait_seconds = limits.batch_wait_seconds
        self._metrics = metrics
        self._waiting: list[_Waiting] = []
        self._running: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def embedding(self, pixels: NDArray[np.uint8], deadline: float) -> NDArray[np.float32]:
        """Embed a photo, uint8 [224, 224, 3] to float32 [512], together with others.

        A photo whose run would begin after the deadline, on the monotonic clock, is refused.
        """
        embedding: asyncio.Future[NDArray[np.float32]]
        embedding = asyncio.get_running_loop().create_future()
        self._waiting.append((pixels, deadline, embedding))
        self._start()
        return await embedding

    def _start(self) -> None:
        """Run what waits, now or in a moment."""
        if len(self._waiting) >= self._size or not self.expected:
            self._run_now()
        elif self._waiting and self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._wait_seconds, self._run_now)

    def _run_now(self) -> None:
        """Run what waits, unless all streams are busy."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if len(self._running) == self._model.streams or not self._waiting:
            return
        batch, self._waiting = self._waiting[: self._size], self._waiting[self._size :]
        task = asyncio.get_running_loop().create_task(self._run(batch))
        self._running.add(task)
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._start()

    async def _run(self, batch: list[_Waiting]) -> None:
        now = monotonic()
        for _, deadline, waiting in batch:
            if deadline < now and not waiting.done():
                waiting.set_exception(too_late())
        batch = [entry for entry in batch if not entry[2].done()]
        if not batch:
            return
        try:
            pixels = np.stack([pixels for pixels, *_ in batch])
            loop = asyncio.get_running_loop()
            embeddings = await loop.run_in_executor(self._loader, self._model.embed, pixels)
            self._metrics.batches.observe(len(batch))
            self._metrics.runs.observe(monotonic() - now)
            for (*_, waiting), embedding in zip(batch, embeddings, strict=True):
                if not waiting.done():
                    waiting.set_result(embedding)
        except Exception as error:
            for *_, waiting in batch:
                if not waiting.done():
                    waiting.set_exception(error)
