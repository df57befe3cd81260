"""Work done in threads ahead of when it is needed, in order and in constant memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

T = TypeVar("T")
R = TypeVar("R")

END: Final = object()


def read_ahead(items: Iterable[T], depth: int) -> Iterator[T]:
    """Read items in a thread of its own, `depth` ahead; errors come in their items' places."""
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

    It pays if the function leaves Python's lock, as reading, unpacking and matrix products do. At
    most as many items as there are workers are read ahead; an error is raised where its result
    would be.
    """
    with ThreadPoolExecutor(workers) as threads:
        running: deque[Future[R]] = deque()
        for item in items:
            running.append(threads.submit(function, item))
            if len(running) > workers:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
