"""Run the photos that wait together: the encoder is faster with several than with one."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from geograph_types.serve.problems import too_late

Embed = Callable[[NDArray[np.uint8]], NDArray[np.float32]]  # [N, 224, 224, 3] to [N, 512]


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    pixels: NDArray[np.uint8]
    deadline: float
    embedding: asyncio.Future[NDArray[np.float32]]  # cancelled by whoever has left


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
        self._running: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def embedding(self, pixels: NDArray[np.uint8], deadline: float) -> NDArray[np.float32]:
        """Embed a photo, uint8 [224, 224, 3] to float32 [512], together with others.

        A photo whose run would begin after the deadline, on the monotonic clock, is refused.
        """
        entry = _Waiting(pixels, deadline, asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        self._start()
        return await entry.embedding

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
        if len(self._running) == self._streams or not self._waiting:
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
        for entry in batch:
            if entry.deadline < now and not entry.embedding.done():
                entry.embedding.set_exception(too_late())
        batch = [entry for entry in batch if not entry.embedding.done()]
        if not batch:
            return
        try:
            pixels = np.stack([entry.pixels for entry in batch])
            loop = asyncio.get_running_loop()
            embeddings = await loop.run_in_executor(self._executor, self._embed, pixels)
            self._observe(len(batch), monotonic() - now)
            for entry, embedding in zip(batch, embeddings, strict=True):
                if not entry.embedding.done():
                    entry.embedding.set_result(embedding)
        except Exception as error:
            for entry in batch:
                if not entry.embedding.done():
                    entry.embedding.set_exception(error)
