"""Run the photos that wait together: the encoder is faster with several than with one."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from geograph_types.serve.problems import too_late

Embed = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""From uint8 [N, 224, 224, 3] to float32 [N, 512]."""


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    pixels: NDArray[np.uint8]
    deadline: float
    embedding: asyncio.Future[NDArray[np.float32]]


class Batcher:
    """Collect photos while the encoder's streams are busy, and run them when one is free.

    A photo that comes while nothing else is being done is run at once. While others are being
    decoded, a batch that is not full waits for them, for a few milliseconds.
    """

    def __init__(
        self,
        embed: Embed,
        executor: Executor,  # with a thread for each stream, in which `embed` runs
        size: int,  # photos in a batch
        streams: int,  # batches at once
        wait_seconds: float,  # for photos that are being decoded
        observe: Callable[[int, float], None],  # called with each batch's size and seconds
    ) -> None:
        """Prepare for use in the running event loop."""
        self.expected = 0  # photos that are being decoded; whoever decodes counts them here
        self._embed = embed
        self._executor = executor
        self._size = size
        self._streams = streams
        self._wait_seconds = wait_seconds
        self._observe = observe
        self._waiting: list[_Waiting] = []
        self._running = 0
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def embedding(self, pixels: NDArray[np.uint8], deadline: float) -> NDArray[np.float32]:
        """Embed a photo, uint8 [224, 224, 3] to float32 [512], together with others.

        A photo whose run would begin after the deadline, on the monotonic clock, is refused.
        """
        loop = asyncio.get_running_loop()
        entry = _Waiting(pixels, deadline, loop.create_future())
        self._waiting.append(entry)
        self._start()
        return await entry.embedding

    def _start(self) -> None:
        """Run what waits, now or in a moment, unless all streams are busy."""
        if self._running == self._streams or not self._waiting:
            return
        if len(self._waiting) < self._size and self.expected:
            if self._timer is None:
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(self._wait_seconds, self._run_now)
            return
        self._run_now()

    def _run_now(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._running == self._streams or not self._waiting:
            return
        batch, self._waiting = self._waiting[: self._size], self._waiting[self._size :]
        self._running += 1
        task = asyncio.get_running_loop().create_task(self._run(batch))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, batch: list[_Waiting]) -> None:
        now = monotonic()
        # Whoever has left has cancelled its future.
        late = [entry for entry in batch if entry.deadline < now and not entry.embedding.done()]
        for entry in late:
            entry.embedding.set_exception(too_late())
        batch = [entry for entry in batch if not entry.embedding.done()]
        try:
            if batch:
                pixels = np.stack([entry.pixels for entry in batch])
                loop = asyncio.get_running_loop()
                embeddings = await loop.run_in_executor(self._executor, self._embed, pixels)
                for entry, embedding in zip(batch, embeddings, strict=True):
                    if not entry.embedding.done():
                        entry.embedding.set_result(embedding)
                self._observe(len(batch), monotonic() - now)
        except Exception as error:
            for entry in batch:
                if not entry.embedding.done():
                    entry.embedding.set_exception(error)
        finally:
            self._running -= 1
            self._start()
