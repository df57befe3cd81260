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
from geograph_types.archive.shard_maker import ShardMaker

_maker: ShardMaker | None = None
"""Of a process of the pool."""


def run_locally(job: Job, shards: Sequence[Shard], processes: int) -> Iterator[Outcome]:
    """Make shards, in this process if there is to be one, and yield outcomes as they come."""
    processes = min(processes, len(shards))
    if processes <= 1:
        yield from map(ShardMaker(job), shards)
        return
    others = set(active_children())
    pool = ProcessPoolExecutor(processes, get_context("spawn"), _start, (job,))
    try:
        for future in as_completed([pool.submit(_make, shard) for shard in shards]):
            yield future.result()
    except BrokenProcessPool:
        raise EngineError(
            "a process was killed, perhaps because memory ran out: run the same command again "
            "to continue, with fewer --actors if this happens again"
        ) from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(active_children()) - others:
            child.kill()
        pool.shutdown()


def _start(job: Job) -> None:
    global _maker
    # Signals reach the whole group: the parent decides what becomes of its processes.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _maker = ShardMaker(job)


def _end_with_parent() -> None:
    """End when the parent has ended, however it did."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _make(shard: Shard) -> Outcome:
    if _maker is None:
        raise EngineError("the process was not set up")
    return _maker(shard)
