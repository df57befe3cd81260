"""Download one file over HTTP, going on where it stopped; the only importer of requests."""

import hashlib
import time
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

from geograph_types.errors import InputError, MissingExtraError
from geograph_types_export.errors import DigestError, DownloadError

try:
    import requests
except ModuleNotFoundError:
    raise MissingExtraError("requests", "export") from None

__all__ = ["Limits", "ResumingDownload", "file_sha256"]

CHUNK: Final = 1024
"""Bytes; what a broken connection costs at most, and how often the time is looked at."""
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


@dataclass(frozen=True, slots=True)
class Limits:
    """What a download may take.

    Attributes:
        size: of the file, in bytes.
        connect_seconds: until the server is reached.
        silent_seconds: without a byte from the server.
        total_seconds: for all tries together.
        tries: that are made.
        pause_seconds: before the second try; it doubles with each.
    """

    size: int
    connect_seconds: float = 10.0
    silent_seconds: float = 30.0
    total_seconds: float = 900.0
    tries: int = 4
    pause_seconds: float = 1.0

    def __post_init__(self) -> None:
        """Refuse limits under which nothing could be fetched."""
        times = (self.connect_seconds, self.silent_seconds, self.total_seconds)
        if self.size < 1 or self.tries < 1 or min(times) <= 0 or self.pause_seconds < 0:
            raise InputError(f"{self} lets no download through: give positive numbers")


class _BrokenOffError(Exception):
    """A try that failed in a way that another may not."""


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
        """
        deadline = time.monotonic() + self.limits.total_seconds
        for attempt in range(self.limits.tries):
            if attempt:
                time.sleep(self.limits.pause_seconds * 2 ** (attempt - 1))
            try:
                from_start = self._transfer(url, deadline)
            except _BrokenOffError as error:
                problem = str(error)
                continue
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

    def _transfer(self, url: str, deadline: float) -> bool:
        """Get the file or the rest of it; say whether all of it came from this one answer."""
        start = self._part.stat().st_size if self._part.exists() else 0
        headers = {"Accept-Encoding": "identity"}  # a range of compressed bytes would be no use
        if start:
            headers["Range"] = f"bytes={start}-"
        timeouts = (self.limits.connect_seconds, self.limits.silent_seconds)
        try:
            with requests.get(
                url, headers=headers, timeout=timeouts, stream=True, hooks={"response": _skip_body}
            ) as response:
                if start and response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                    return False  # there is no more: the digest tells whether that is all
                start = self._accepted_start(response, start)
                self._receive(response, start, deadline)
        except HOPELESS:
            raise
        except requests.exceptions.RequestException as error:
            raise _BrokenOffError(_reason(error)) from None
        return start == 0

    def _accepted_start(self, response: requests.Response, start: int) -> int:
        """Check the answer's head; give the offset in the file of what it sends."""
        status = response.status_code
        if start and status == HTTPStatus.PARTIAL_CONTENT:
            sent = response.headers.get("Content-Range", "")
            if sent.startswith(f"bytes {start}-"):
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
        size = start
        with self._part.open("ab" if start else "wb") as part:
            for chunk in response.iter_content(CHUNK):
                size += len(chunk)
                if size > most:
                    self._part.unlink()
                    raise DownloadError(url, self.file, f"it sends more than {most} bytes")
                part.write(chunk)
                if time.monotonic() > deadline:
                    raise DownloadError(
                        url,
                        self.file,
                        f"only {size} bytes came within {self.limits.total_seconds:.0f} s; they "
                        "are kept, and the next run goes on there",
                    )
        if announced is not None and size < start + announced:
            raise _BrokenOffError("the connection broke off")


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
    """Give the length that an answer announces; `None` for what is no length."""
    text = response.headers.get("Content-Length", "")
    readable = text.isascii() and text.isdecimal()
    return int(text[:DIGITS]) if readable else None


def _reason(error: BaseException) -> str:
    """Give the first cause, which the client's errors wrap in several others."""
    kind = type(error).__name__
    while error.__context__ is not None:
        error = error.__context__
    return f"{kind}: {error}"[:REASON_LENGTH]
