"""Photos that wait for the encoder or for memory: each is answered, in time or with the reason."""

import asyncio
import gc
import math
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event
from time import monotonic
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from geograph_types.decoding.open import decoding_memory, open_photo
from geograph_types.errors import BackendError
from geograph_types.preprocess import preprocess
from geograph_types.serve.batcher import Batcher
from geograph_types.serve.decoding import Decoder
from geograph_types.serve.metrics import Metrics
from geograph_types.serve.problems import ProblemError
from geograph_types.serve.settings import Limits
from geograph_types.serve.threads import run_in_thread

UNREADABLE = 13  # a shade at which the encoder of these tests fails


def shade(value: int) -> np.ndarray:
    return np.full((224, 224, 3), value, np.uint8)


def embed(pixels: np.ndarray) -> np.ndarray:
    if (pixels == UNREADABLE).any():
        raise BackendError("the encoder failed")
    return pixels[:, 0, 0].astype(np.float32)


def batched(work: Callable[[Batcher], Coroutine[Any, Any, None]]) -> list[int]:
    """Do work with a batcher of one stream, and give the sizes of its batches."""
    sizes: list[int] = []

    async def run(executor: ThreadPoolExecutor) -> None:
        model: Any = SimpleNamespace(embed=embed, batch=8, streams=1)
        metrics = Metrics()
        metrics.batches.observe = sizes.append  # type: ignore[method-assign]
        await work(Batcher(model, executor, Limits(), metrics))

    with ThreadPoolExecutor(1) as executor:
        asyncio.run(run(executor))
    return sizes


async def answers(batcher: Batcher, *shades: int, late: int = 0) -> list[Any]:
    """Embed shades at once, one of which may be too late."""
    deadlines = [0.0 if value == late else math.inf for value in shades]
    waiting = map(batcher.embedding, map(shade, shades), deadlines)
    return await asyncio.gather(*waiting, return_exceptions=True)


def test_a_photo_that_waited_too_long_costs_itself_only() -> None:
    async def work(batcher: Batcher) -> None:
        first, late, third = await answers(batcher, 1, 2, 3, late=2)
        assert (first[0], third[0]) == (1, 3)
        assert (late.status, late.details.reason) == (503, "too_late")
        assert late.headers == {"Retry-After": "1"}

    assert batched(work) == [1, 1]


def test_a_batch_that_fails_is_told_to_all_in_it_and_the_next_is_run() -> None:
    async def work(batcher: Batcher) -> None:
        first, *others = await answers(batcher, 1, UNREADABLE, 2)
        assert first[0] == 1
        assert [str(error) for error in others] == ["the encoder failed"] * 2
        assert (await answers(batcher, 2))[0][0] == 2

    # The failed batch, of two, is not counted.
    assert batched(work) == [1, 1]


def test_nothing_is_computed_for_those_who_have_left() -> None:
    async def work(batcher: Batcher) -> None:
        waiting = (batcher.embedding(shade(value), math.inf) for value in (1, 2, 3))
        first, *others = map(asyncio.create_task, waiting)
        await asyncio.sleep(0)  # now all of them wait
        for task in others:
            task.cancel()
        assert (await first)[0] == 1
        assert (await answers(batcher, 4))[0][0] == 4

    assert batched(work) == [1, 1]


def test_a_job_that_was_given_up_is_dropped_with_all_that_it_holds() -> None:
    class Body:
        """Of a request."""

    async def work(executor: ThreadPoolExecutor) -> None:
        ended = Event()
        busy = asyncio.create_task(run_in_thread(executor, ended.wait))
        body = Body()
        held = weakref.ref(body)
        waiting = asyncio.create_task(run_in_thread(executor, partial(isinstance, body, Body)))
        del body
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
        assert waiting.cancelled()
        del waiting
        gc.collect()
        try:
            assert held() is None
            busy.cancel()
            await asyncio.sleep(0.05)
            assert not busy.done()
        finally:
            ended.set()
        with pytest.raises(asyncio.CancelledError):
            await busy

    with ThreadPoolExecutor(1) as executor:
        asyncio.run(work(executor))


def test_a_photo_is_not_decoded_after_its_time(make_jpeg: Callable[..., bytes]) -> None:
    with pytest.raises(ProblemError) as caught:
        Decoder(1 << 30).decode(make_jpeg(), deadline=0.0)
    assert (caught.value.status, caught.value.details.reason) == (503, "too_late")


def test_photos_that_do_not_fit_into_memory_together_take_turns(
    make_jpeg: Callable[..., bytes],
) -> None:
    files = [make_jpeg(seed) for seed in range(8)]
    decoder = Decoder(max(map(decoding_memory, files)))
    with ThreadPoolExecutor(4) as executor:
        photos = list(executor.map(lambda data: decoder.decode(data, monotonic() + 60), files))
    for data, photo in zip(files, photos, strict=True):
        assert np.array_equal(photo.pixels, preprocess(open_photo(data)))
