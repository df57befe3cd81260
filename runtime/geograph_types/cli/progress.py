"""How far a command has come: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

from geograph_types.cli.notices import note, redirected_to

T = TypeVar("T")

SECONDS_BETWEEN_LINES: Final = 15.0


def one(_: object) -> int:
    """Count an item as one."""
    return 1


def none(_: object) -> bool:
    """Count no item as failed."""
    return False


def track(
    items: Iterable[T],
    what: str,
    total: int | None,
    count: Callable[[T], int] = one,
    failed: Callable[[T], bool] = none,
) -> Iterator[T]:
    """Pass items on, showing on standard error how many have come, how fast, and how many failed.

    Args:
        items: anything.
        what: names what is counted, for instance "photos".
        total: how many there will be, where that is known.
        count: how many an item counts for, where it is not one.
        failed: whether an item is a failure.
    """
    show = _with_bar if sys.stderr.isatty() else _with_lines
    yield from show(items, what, total, count, failed)


def _with_bar(
    items: Iterable[T],
    what: str,
    total: int | None,
    count: Callable[[T], int],
    failed: Callable[[T], bool],
) -> Iterator[T]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("[red]{task.fields[failures]}"),
    )
    console = Console(stderr=True)

    def say(line: str) -> None:
        console.print(Text(line), soft_wrap=True)

    failures = 0
    with Progress(*columns, console=console, transient=True) as bar, redirected_to(say):
        task = bar.add_task(what, total=total, rate="", failures="")
        for item in items:
            yield item
            failures += failed(item)
            speed = bar.tasks[task].speed
            bar.update(
                task,
                advance=count(item),
                rate="" if speed is None else f"{speed:,.1f}/s",
                failures=f"{failures} failed" if failures else "",
            )


def _with_lines(
    items: Iterable[T],
    what: str,
    total: int | None,
    count: Callable[[T], int],
    failed: Callable[[T], bool],
) -> Iterator[T]:
    started = spoken = time.monotonic()
    done = failures = 0
    for item in items:
        yield item
        done += count(item)
        failures += failed(item)
        now = time.monotonic()
        if now - spoken >= SECONDS_BETWEEN_LINES:
            spoken = now
            of = "" if total is None else f" of {total}"
            bad = f", {failures} failed" if failures else ""
            note(f"{done}{of} {what}, {done / (now - started):.1f} a second{bad}")
