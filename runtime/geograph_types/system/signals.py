"""End on SIGTERM and SIGINT at a moment that costs nothing, if there is one soon."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class Stop:
    """Turns both signals into KeyboardInterrupt.

    While `deferred`, as between a request and the note of its success, the first signal waits; a
    second one does not.
    """

    def __init__(self) -> None:
        self._holding = False
        self._wanted = False

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Handle both signals in the block; only in the main thread."""
        before: list[Any] = [signal.getsignal(number) for number in SIGNALS]
        for number in SIGNALS:
            signal.signal(number, self._handle)
        try:
            yield
        finally:
            for number, handler in zip(SIGNALS, before, strict=True):
                signal.signal(number, handler)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Defer a signal to the end of the block, where it raises KeyboardInterrupt."""
        self._holding = True
        try:
            yield
        finally:
            self._holding = False
            if self._wanted:
                raise KeyboardInterrupt

    def _handle(self, _: int, __: FrameType | None) -> None:
        if self._holding and not self._wanted:
            self._wanted = True
            return
        raise KeyboardInterrupt
