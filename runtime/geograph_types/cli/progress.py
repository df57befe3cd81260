"""How far a command has come: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

from geograph_types.cli.notices import note

__all__ = ["track"]

T = TypeVar("T")

SECONDS_BETWEEN_LINES: Final = 15.0


def track(items: Iterable[T], what: str, total: int | None) -> Iterator[T]:
    """Pass items on, showing on standard error how many have come and how fast.

    Args:
        items: anything.
        what: names them, for instance "photos".
        total: how many there will be, where that is known.
    """
    if sys.stderr.isatty():
        yield from _with_bar(items, what, total)
    else:
        yield from _with_lines(items, what, total)


def _with_bar(items: Iterable[T], what: str, total: int | None) -> Iterator[T]:
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
        yield from bar.track(items, total=total)


def _with_lines(items: Iterable[T], what: str, total: int | None) -> Iterator[T]:
    started = spoken = time.monotonic()
    for count, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - spoken >= SECONDS_BETWEEN_LINES:
            spoken = now
            of = "" if total is None else f" of {total}"
            note(f"{count}{of} {what}, {count / (now - started):.1f} a second")
