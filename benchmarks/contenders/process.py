"""A contender in a process of its own, so that threads and memory of one do not disturb another."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from contenders import CONTENDERS
from contenders.interface import Encode, Given
from geograph_types.errors import GeographTypesError

LEAVE_SECONDS: Final = 10
Result = TypeVar("Result")


class ContenderError(GeographTypesError):
    """A contender that could not be prepared or run; the others go on."""

    exit_status = 1

    def __init__(self, contender: str, problem: str) -> None:
        super().__init__(f"{contender}: {problem}")
        self.contender = contender


@dataclass(frozen=True, slots=True)
class _Embed:
    """Ask for the embeddings of all photos, in batches of this size."""

    batch: int


@dataclass(frozen=True, slots=True)
class _Time:
    """Ask for the seconds of some runs over the first photos, after one that is not counted."""

    batch: int
    runs: int


@dataclass(frozen=True, slots=True)
class _Problem:
    """What a contender answers if it fails, before it ends."""

    text: str


class ContenderProcess:
    """One contender, prepared once and kept; it computes only while it is asked."""

    def __init__(
        self, contender: str, given: Given, threads: int, pixels: NDArray[np.uint8]
    ) -> None:
        """Start it and wait until it is prepared; `pixels` are uint8 [N, 224, 224, 3]."""
        context = get_context("spawn")
        self.contender = contender
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, contender, given, threads))
        # Read by OpenMP when it is loaded, which is before the contender can say anything.
        os.environ["OMP_NUM_THREADS"] = str(threads)
        self._process.start()
        theirs.close()
        try:
            self._ask(pixels)
        except BaseException:
            self.close()
            raise

    def embed(self, batch: int) -> NDArray[np.float32]:
        """Compute the embeddings of all photos, float32 [N, 512]."""
        answer = self._ask(_Embed(batch))
        if not isinstance(answer, np.ndarray):
            raise TypeError(f"{self.contender} answered {type(answer).__name__}")
        return answer

    def time(self, batch: int, runs: int) -> list[float]:
        """Return the seconds of each of some runs over the first `batch` photos."""
        answer = self._ask(_Time(batch, runs))
        if not isinstance(answer, list):
            raise TypeError(f"{self.contender} answered {type(answer).__name__}")
        return answer

    def _ask(self, question: object) -> object:
        try:
            self._connection.send(question)
            answer = self._connection.recv()
        except (EOFError, OSError):
            self._process.join(LEAVE_SECONDS)
            raise ContenderError(
                self.contender,
                f"its process ended with status {self._process.exitcode}; what it said is above",
            ) from None
        if isinstance(answer, _Problem):
            raise ContenderError(self.contender, answer.text)
        return answer

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.join(LEAVE_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def __enter__(self) -> "ContenderProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _serve(connection: Connection, contender: str, given: Given, threads: int) -> None:
    """Prepare, and answer until the other end is closed."""
    # Libraries print; standard output is for results.
    os.dup2(2, 1)
    with suppress(EOFError, BrokenPipeError, KeyboardInterrupt):
        pixels = connection.recv()
        encode = _attempt(partial(_prepare, contender, given, threads))
        if isinstance(encode, _Problem):
            connection.send(encode)
            return
        connection.send(None)
        while True:
            connection.send(_attempt(partial(_answer, encode, pixels, connection.recv())))


def _attempt(step: Callable[[], Result]) -> Result | _Problem:
    try:
        return step()
    except Exception as error:  # a dozen libraries raise whatever they like
        return _Problem(f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}")


def _prepare(contender: str, given: Given, threads: int) -> Encode:
    return CONTENDERS[contender].prepare(given, threads)


def _answer(encode: Encode, pixels: NDArray[np.uint8], question: _Embed | _Time) -> object:
    if isinstance(question, _Embed):
        starts = range(0, len(pixels), question.batch)
        return np.concatenate([encode(pixels[start : start + question.batch]) for start in starts])
    photos = pixels[: question.batch]
    encode(photos)
    seconds = []
    for _ in range(question.runs):
        start = time.perf_counter()
        encode(photos)
        seconds.append(time.perf_counter() - start)
    return seconds
