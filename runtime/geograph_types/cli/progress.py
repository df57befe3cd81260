"""How far a command has come: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final, TypeAlias, TypeVar

from geograph_types.cli.notices import note, redirected_to

T = TypeVar("T")
Show: TypeAlias = Callable[[int, int], None]
"""Shows how many are done, and how many of them failed."""

SECONDS_BETWEEN_LINES: Final = 15.0


def track(
    items: Iterable[T],
    what: str,
    total: int | None,
    count: Callable[[T], int] = lambda _: 1,
    failed: Callable[[T], bool] = lambda _: False,
) -> Iterator[T]:
    """Pass items on, showing how many have come, how fast, and how many failed.

    `what` names what is counted, such as "photos"; an item counts as `count` of it.
    """
    done = failures = 0
    with (_bar if sys.stderr.isatty() else _lines)(what, total) as show:
        for item in items:
            yield item
            done += count(item)
            failures += failed(item)
            show(done, failures)


@contextmanager
def _bar(what: str, total: int | None) -> Iterator[Show]:
    from rich import progress
    from rich.console import Console
    from rich.text import Text

    columns = (
        progress.TextColumn(what),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TextColumn("{task.fields[rate]}"),
        progress.TimeRemainingColumn(),
        progress.TextColumn("[red]{task.fields[failures]}"),
    )
    console = Console(stderr=True)

    def write(line: str) -> None:
        console.print(Text(line), soft_wrap=True)

    with progress.Progress(*columns, console=console, transient=True) as bar, redirected_to(write):
        task = bar.add_task(what, total=total, rate="", failures="")

        def show(done: int, failures: int) -> None:
            speed = bar.tasks[task].speed
            rate = "" if speed is None else f"{speed:,.1f}/s"
            failed = f"{failures} failed" if failures else ""
            bar.update(task, completed=done, rate=rate, failures=failed)

        yield show


@contextmanager
def _lines(what: str, total: int | None) -> Iterator[Show]:
    started = latest = time.monotonic()

    def show(done: int, failures: int) -> None:
        nonlocal latest
        now = time.monotonic()
        if now - latest >= SECONDS_BETWEEN_LINES:
            latest = now
            of = "" if total is None else f" of {total}"
            failed = f", {failures} failed" if failures else ""
            note(f"{done}{of} {what}, {done / (now - started):.1f} per second{failed}")

    yield show
