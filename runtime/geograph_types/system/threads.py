"""Work in threads ahead of the one who needs it, in order and in constant memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

T = TypeVar("T")
R = TypeVar("R")

END: Final = object()


def read_ahead(items: Iterable[T], depth: int) -> Iterator[T]:
    """Pass items on that a thread of its own makes, a few ahead.

    Args:
        items: their errors are raised where the item would have come.
        depth: how many may wait, 1 or more.
    """
    source = iter(items)
    with ThreadPoolExecutor(1) as thread:
        coming: deque[Future[T | object]] = deque(
            thread.submit(next, source, END) for _ in range(depth)
        )
        while (item := coming.popleft().result()) is not END:
            coming.append(thread.submit(next, source, END))
            yield item  # type: ignore[misc]


def map_ahead(function: Callable[[T], R], items: Iterable[T], workers: int) -> Iterator[R]:
    """Apply a function to each item in several threads; results come in the order of the items.

    It pays where the function leaves Python's lock, as reading, unpacking and matrix products do.

    Args:
        function: its errors are raised where its result would have come.
        items: taken in the caller's thread, at most `workers` ahead of the results.
        workers: threads, 1 or more.
    """
    with ThreadPoolExecutor(workers) as threads:
        running: deque[Future[R]] = deque()
        for item in items:
            running.append(threads.submit(function, item))
            if len(running) > workers:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
