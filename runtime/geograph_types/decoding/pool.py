"""Decode photos in processes of their own: one that kills its decoder costs only itself."""

import os
import signal
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, LifoQueue, SimpleQueue
from threading import Lock, Thread
from typing import IO, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from geograph_types.decoding.process import READY, Options, Refusal, Reply, receive, send
from geograph_types.distance.exif import ExifPlaces
from geograph_types.errors import DecoderError, PhotoError, PhotoFault
from geograph_types.preprocess import CROP

TIME_LIMIT: Final = 60.0
"""Seconds that a photo may take; the largest that is allowed takes a few."""

START_LIMIT: Final = 60.0

REAP_LIMIT: Final = 1.0
"""Seconds to wait for a killed process: one that hangs in the kernel may never end."""

DEFAULTS: Final = Options()

ENVIRONMENT: Final = {
    # Resizing and decoding use one thread here, and need no memory for more.
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
    # Large buffers go back to the system after each photo, smaller ones are used again.
    "MALLOC_MMAP_THRESHOLD_": str(8 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(16 << 20),
}
"""Settings of a decoder's libraries. Source: glibc `mallopt(3)`."""


@dataclass(frozen=True, slots=True, eq=False)
class PhotoPixels:
    """A photo as the encoder reads it."""

    pixels: NDArray[np.uint8]  # [224, 224, 3]
    truncated: bool
    exif: ExifPlaces
    sha256: bytes | None  # of the file, if asked for
    thumbnail: bytes | None  # if asked for


class DecoderPool:
    """Processes that decode photos beside one another.

    Each is started when it is first needed. One that dies or takes too long is replaced, and the
    photo that it had is refused.
    """

    def __init__(
        self,
        jobs: int,
        options: Options = DEFAULTS,
        time_limit: float = TIME_LIMIT,
    ) -> None:
        """Prepare the pool; nothing is started yet."""
        self._decoders = [_Decoder(options, time_limit) for _ in range(jobs)]
        # The last one that was used is the next: few photos start few processes.
        self._idle: LifoQueue[_Decoder] = LifoQueue()
        for decoder in self._decoders:
            self._idle.put(decoder)
        self._threads = ThreadPoolExecutor(jobs, "decoder")

    def submit(self, path: Path) -> Future[PhotoPixels]:
        """Start to decode a photo."""
        return self._threads.submit(self._decode, path)

    def close(self) -> None:
        """Stop all processes at once; photos that are not decoded yet are given up."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for decoder in self._decoders:
            decoder.kill()
        self._threads.shutdown()
        for decoder in self._decoders:
            decoder.stop()

    def _decode(self, path: Path) -> PhotoPixels:
        decoder = self._idle.get()
        try:
            return decoder.decode(path)
        finally:
            self._idle.put(decoder)


class _Process:
    """A process that decodes; a thread reads what it answers, so that waiting can end in time."""

    def __init__(self, arguments: list[str]) -> None:
        # -P: a module in the current folder, where strangers' photos may lie, is never imported.
        command = [sys.executable, "-P", "-m", "geograph_types.decoding.process", *arguments]
        search_path = os.pathsep.join(filter(None, sys.path))
        environment = {**os.environ, **ENVIRONMENT, "PYTHONPATH": search_path}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )
        self._answers: SimpleQueue[bytes] = SimpleQueue()
        Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with suppress(EOFError, OSError), pipe(self._process.stdout) as answers:
            printed = b""  # by what is imported, before the process takes its output over
            while not printed.endswith(READY) and (byte := answers.read(1)):
                printed += byte
            self._answers.put(printed[-len(READY) :])
            while True:
                self._answers.put(receive(answers))
        self._answers.put(b"")

    def send(self, message: bytes) -> None:
        send(pipe(self._process.stdin), message)

    def receive(self, seconds: float) -> bytes | None:
        """Return its answer; `None` if there is none in time, EOFError if it has ended."""
        with suppress(Empty):
            if answer := self._answers.get(timeout=seconds):
                return answer
            raise EOFError
        return None

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> str:
        """Kill it and clean up; return how it ended."""
        self._process.kill()
        with suppress(OSError):
            pipe(self._process.stdin).close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(REAP_LIMIT)
        status = self._process.returncode
        if status is None:
            return "it does not end"
        return signal.Signals(-status).name if status < 0 else f"exit status {status}"


def pipe(stream: IO[bytes] | None) -> IO[bytes]:
    """Return a stream that was asked for."""
    assert stream is not None
    return stream


class _Decoder:
    """One process, started again when it was lost."""

    def __init__(self, options: Options, time_limit: float) -> None:
        self._arguments = [str(time_limit), msgspec.json.encode(options).decode()]
        self._time_limit = time_limit
        self._running: _Process | None = None
        self._closed = False
        self._lock = Lock()

    def decode(self, path: Path) -> PhotoPixels:
        process = self._running or self._start()
        try:
            process.send(os.fsencode(path.absolute()))
            answer = process.receive(self._time_limit)
        except (EOFError, OSError):
            detail = f"its decoder ended ({self.stop()}): open it elsewhere and export it again"
            raise PhotoError(str(path), PhotoFault.DECODER_DIED, detail) from None
        if answer is None:
            self.stop()
            detail = f"not decoded within {self._time_limit:g} seconds: export it smaller, as JPEG"
            raise PhotoError(str(path), PhotoFault.TOO_SLOW, detail)
        reply = msgspec.msgpack.decode(answer, type=Reply)
        if isinstance(reply, Refusal):
            raise PhotoError(str(path), reply.fault, reply.detail)
        pixels = np.frombuffer(reply.data, np.uint8).reshape(CROP, CROP, 3)
        return PhotoPixels(pixels, reply.truncated, reply.exif, reply.sha256, reply.thumbnail)

    def kill(self) -> None:
        """End the process for good, from any thread; `decode` then fails."""
        with self._lock:
            self._closed = True
            if self._running:
                self._running.kill()

    def stop(self) -> str:
        """End the process, clean up, and return how it ended; only while no thread decodes."""
        process, self._running = self._running, None
        return process.end() if process else ""

    def _start(self) -> _Process:
        with self._lock:
            if self._closed:
                raise DecoderError("photos are no longer decoded: the run was ended")
            try:
                self._running = process = _Process(self._arguments)
            except OSError as error:
                raise DecoderError(f"{sys.executable} cannot be run ({error.strerror})") from None
        with suppress(EOFError):
            if process.receive(START_LIMIT) == READY:
                return process
        raise DecoderError(
            f"the process that decodes photos did not start ({self.stop()}): "
            "see what it printed, and 'geograph-types doctor'"
        )
