"""How far a command has come: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

from geograph_types.cli.notices import note

__all__ = ["track"]

T = TypeVar("T")

SECONDS_BETWEEN_LINES: Final = 15.0


def one(_: object) -> int:
    """Count an item as one."""
    return 1


def track(
    items: Iterable[T], what: str, total: int | None, count: Callable[[T], int] = one
) -> Iterator[T]:
    """Pass items on, showing on standard error how many have come and how fast.

    Args:
        items: anything.
        what: names what is counted, for instance "photos".
        total: how many there will be, where that is known.
        count: how many an item counts for, where it is not one.
    """
    if sys.stderr.isatty():
        yield from _with_bar(items, what, total, count)
    else:
        yield from _with_lines(items, what, total, count)


def _with_bar(
    items: Iterable[T], what: str, total: int | None, count: Callable[[T], int]
) -> Iterator[T]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        for item in items:
            yield item
            bar.advance(task, count(item))


def _with_lines(
    items: Iterable[T], what: str, total: int | None, count: Callable[[T], int]
) -> Iterator[T]:
    started = spoken = time.monotonic()
    done = 0
    for item in items:
        yield item
        done += count(item)
        now = time.monotonic()
        if now - spoken >= SECONDS_BETWEEN_LINES:
            spoken = now
            of = "" if total is None else f" of {total}"
            note(f"{done}{of} {what}, {done / (now - started):.1f} a second")
