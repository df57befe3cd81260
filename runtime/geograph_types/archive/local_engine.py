"""Shards made on this machine: in this process, or in several."""

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context, parent_process

from geograph_types.archive.items import Shard
from geograph_types.archive.job import EngineError, Job, Outcome
from geograph_types.archive.shard_maker import ShardWorker

_worker: ShardWorker | None = None
"""Of a process of the pool."""


def run_locally(job: Job, shards: Sequence[Shard], workers: int) -> Iterator[Outcome]:
    """Make shards, and give the outcomes as they come.

    Args:
        job: what to do.
        shards: to make.
        workers: processes; 1 works in this one.

    Raises:
        EngineError: a process was killed.
    """
    workers = min(workers, len(shards))
    if workers <= 1:
        yield from map(ShardWorker(job), shards)
        return
    others = set(active_children())
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _begin, (job,))
    try:
        for future in as_completed([pool.submit(_make, shard) for shard in shards]):
            yield future.result()
    except BrokenProcessPool:
        raise EngineError(
            "a worker process was killed, perhaps for want of memory: run the same command again "
            "to go on, with fewer --actors if it happens again"
        ) from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(active_children()) - others:
            child.kill()
        pool.shutdown()


def _begin(job: Job) -> None:
    global _worker
    # They reach the whole group: the parent decides what becomes of its workers.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _worker = ShardWorker(job)


def _end_with_parent() -> None:
    """End when the parent has ended, however it did."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _make(shard: Shard) -> Outcome:
    if _worker is None:
        raise EngineError("the worker was not begun")
    return _worker(shard)
