"""Download one file over HTTP, going on where it stopped; the only importer of requests."""

import hashlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Final, TypeVar

from geograph_types.errors import InputError, MissingExtraError
from geograph_types_export.errors import DigestError, DownloadError, without_password

try:
    import requests
    from urllib3.exceptions import HTTPError
except ModuleNotFoundError:
    raise MissingExtraError("requests", "export") from None

CHUNK: Final = 64 * 1024
"""Bytes that are taken at once, at most; fewer are taken as soon as they are there."""
REASON_LENGTH: Final = 160
DIGITS: Final = 18
"""Of an announced length; these alone make it too large, and Python refuses to read thousands."""

WORTH_ANOTHER_TRY: Final = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
HOPELESS: Final = (
    requests.exceptions.SSLError,
    requests.exceptions.TooManyRedirects,
    ValueError,  # of addresses, among them those that redirects lead to
)

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a download may take.

    Attributes:
        size: of the file, in bytes.
        connect_seconds: until the server is reached.
        silent_seconds: without a byte from the server.
        total_seconds: for all tries and pauses together, however slowly the server goes on.
        tries: that are made.
        pause_seconds: before the second try; it doubles with each.
        lock_seconds: for another process that downloads into the same folder; longer than that may
            take.
    """

    size: int
    connect_seconds: float = 10.0
    silent_seconds: float = 30.0
    total_seconds: float = 900.0
    tries: int = 4
    pause_seconds: float = 1.0
    lock_seconds: float = 960.0

    def __post_init__(self) -> None:
        """Refuse limits under which nothing could be fetched."""
        times = (self.connect_seconds, self.silent_seconds, self.total_seconds)
        pauses = (self.pause_seconds, self.lock_seconds)
        if self.size < 1 or self.tries < 1 or min(times) <= 0 or min(pauses) < 0:
            raise InputError(f"{self} lets no download through: give positive numbers")


class _BrokenOffError(Exception):
    """A try that failed in a way that another may not."""


class _TimeOverError(Exception):
    """The time for all tries has passed."""


@dataclass(frozen=True, slots=True)
class ResumingDownload:
    """A downloader for pooch that keeps what it has got so far beside the file.

    A transfer that breaks off leaves `<file>.part`. The next try, or the next run, asks the server
    for the rest (`Range`, RFC 9110 section 14.2). Servers that send everything instead, another
    part, or say that there is no more are understood; what counts in the end is the digest.
    Proxies are those of the environment.

    Attributes:
        file: where the file will lie at last.
        sha256: that it must have.
        limits: of size, time and tries.
    """

    file: Path
    sha256: str
    limits: Limits

    def __call__(self, url: str, output_file: str, pooch: object) -> None:
        """Download to `output_file`, a name that pooch gives; `pooch` itself is not needed.

        Raises:
            DownloadError: the server cannot be reached, refuses, or sends too much or too slowly.
            DigestError: it sent another file.
            OSError: what it sent cannot be written.
        """
        deadline = time.monotonic() + self.limits.total_seconds
        problem = ""
        for attempt in range(self.limits.tries):
            if attempt:
                pause = self.limits.pause_seconds * 2 ** (attempt - 1)
                if time.monotonic() + pause >= deadline:
                    problem += f", and {self.limits.total_seconds:g} s leave no time to try again"
                    break
                time.sleep(pause)
            try:
                from_start = self._transfer(url, deadline)
            except _BrokenOffError as error:
                problem = str(error)
                continue
            except _TimeOverError:
                raise DownloadError(url, self.file, self._progress()) from None
            except HOPELESS as error:
                raise DownloadError(url, self.file, _reason(error)) from None
            got = file_sha256(self._part)
            if got == self.sha256:
                self._part.replace(output_file)
                return
            self._part.unlink()
            if from_start:
                raise DigestError(url, self.file, self.sha256, got)
            problem = "the parts that it sent do not make the file"
        raise DownloadError(url, self.file, problem)

    @property
    def _part(self) -> Path:
        return self.file.with_name(f"{self.file.name}.part")

    def _kept(self) -> int:
        """Give how many bytes earlier tries have left."""
        return self._part.stat().st_size if self._part.exists() else 0

    def _progress(self) -> str:
        """Say how far all tries came in their time."""
        within = f"within {self.limits.total_seconds:g} s"
        if kept := self._kept():
            return f"only {kept} bytes came {within}; they are kept, and the next run goes on there"
        return f"nothing of the file came {within}"

    def _transfer(self, url: str, deadline: float) -> bool:
        """Get the file or the rest of it; say whether all of it came from this one answer."""
        start = self._kept()
        headers = {"Accept-Encoding": "identity"}  # a range of compressed bytes would be no use
        if start:
            headers["Range"] = f"bytes={start}-"
        ask = partial(
            requests.get,
            url,
            headers=headers,
            timeout=(self.limits.connect_seconds, self.limits.silent_seconds),
            stream=True,
            hooks={"response": _skip_body},
        )
        response = _from_network(ask, deadline)
        try:
            if start and response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                return False  # there is no more: the digest tells whether that is all
            start = self._accepted_start(response, start)
            self._receive(response, start, deadline)
        finally:
            # It cannot be closed before a read that was left behind is over.
            _start_aside(response.close)
        return start == 0

    def _accepted_start(self, response: requests.Response, start: int) -> int:
        """Check the answer's head; give the offset in the file of what it sends."""
        status = response.status_code
        if start and status == HTTPStatus.PARTIAL_CONTENT:
            sent = response.headers.get("Content-Range", "")
            if sent.startswith(f"bytes {start}-") and not _is_encoded(response):
                return start
            self._part.unlink()
            raise _BrokenOffError("it sent another part than was asked for")
        if status == HTTPStatus.OK:
            return 0
        problem = f"it answered {status} {response.reason or ''}".strip()
        if status in WORTH_ANOTHER_TRY:
            raise _BrokenOffError(problem)
        raise DownloadError(response.url, self.file, problem)

    def _receive(self, response: requests.Response, start: int, deadline: float) -> None:
        url, most = response.url, self.limits.size
        announced = _announced(response)
        if announced is not None and start + announced > most:
            self._part.unlink(missing_ok=True)
            raise DownloadError(url, self.file, f"it announces more than {most} bytes")
        read = partial(response.raw.read1, CHUNK, decode_content=True)
        size = start
        with self._part.open("ab" if start else "wb") as part:
            while chunk := _from_network(read, deadline):
                size += len(chunk)
                if size > most:
                    self._part.unlink()
                    raise DownloadError(url, self.file, f"it sends more than {most} bytes")
                part.write(chunk)
        if announced is not None and size < start + announced:
            raise _BrokenOffError("the connection broke off")


def _from_network(step: Callable[[], Result], deadline: float) -> Result:
    """Take one step with the client; its errors become ours where another try may help."""
    try:
        return _in_time(step, deadline)
    except HOPELESS:
        raise
    except (OSError, HTTPError) as error:
        raise _BrokenOffError(_reason(error)) from None


def _in_time(step: Callable[[], Result], deadline: float) -> Result:
    """Wait for a step until the deadline, and leave it behind then.

    The client's own time-outs begin anew with each byte, also of a head, and with each redirect;
    they do not cover looking up a name at all.
    """
    done: Future[Result] = Future()

    def run() -> None:
        try:
            done.set_result(step())
        except Exception as error:
            done.set_exception(error)

    _start_aside(run)
    wait([done], max(0.0, deadline - time.monotonic()))
    if not done.done():
        raise _TimeOverError
    return done.result()


def _start_aside(step: Callable[[], None]) -> None:
    """Run a step in a thread that keeps no process from ending."""
    threading.Thread(target=step, name="download", daemon=True).start()


def _skip_body(response: requests.Response, **_: object) -> None:
    """Leave a redirect's own body unread, which requests would take in whole, however large."""
    if response.is_redirect:
        response.close()


def file_sha256(path: Path) -> str:
    """Give the SHA-256 of a file, as 64 lower-case digits.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _announced(response: requests.Response) -> int | None:
    """Give the length that an answer announces; `None` for what is no length of the file."""
    text = response.headers.get("Content-Length", "")
    readable = text.isascii() and text.isdecimal()
    return int(text[:DIGITS]) if readable and not _is_encoded(response) else None


def _is_encoded(response: requests.Response) -> bool:
    """Give whether an answer was compressed although nobody asked for it, as some proxies do."""
    return bool(response.headers.get("Content-Encoding", "identity") != "identity")


def _reason(error: BaseException) -> str:
    """Give the first cause, which the client's errors wrap in several others; no password."""
    kind = type(error).__name__
    while error.__context__ is not None:
        error = error.__context__
    return without_password(f"{kind}: {error}")[:REASON_LENGTH]
