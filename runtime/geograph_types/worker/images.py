"""Fetch images into a folder, where they stay until they are decoded."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from geograph_types.worker.address import image_address, redirected
from geograph_types.worker.faults import FetchError, FetchFault
from geograph_types.worker.protocol import GivenRow
from geograph_types.worker.public import PrivateAddressError
from geograph_types.worker.transport import BodyTooLargeError, Reply, RequestError, Transport

IMAGE_BYTES: Final = 32 << 20  # Geograph's largest have a few megabytes, those of 640 px a tenth
IMAGE_SECONDS: Final = 60.0
REDIRECTS: Final = 3
TRIES: Final = 3  # rounds in which an image may fail to come although its server answers
OUTAGE: Final = 5  # images in a row that their server does not hand out: the others are left

PATIENCE: Final = 8  # tries if rounds are limited; rounds in which all images are gone at once

# They may be about the image, or about this machine, to which nothing is given.
NOT_LET_IN: Final = frozenset({401, 403})


@dataclass(slots=True)
class ImageRound:
    """What became of the images of one answer."""

    fetched: int = 0
    errors: dict[int, FetchError] = field(default_factory=dict)  # by photo
    skipped: int = 0  # not tried
    why_skipped: str = ""
    unanswered: int = 0  # in a row, at the end

    @property
    def retry_after(self) -> float:
        """Seconds that the images' server asks to be left alone."""
        return max((error.retry_after for error in self.errors.values()), default=0.0)

    @property
    def has_stopped(self) -> bool:
        """Whether the server hands out nothing now, or asks to be left alone."""
        return self.unanswered >= OUTAGE or self.retry_after > 0

    @property
    def are_gone(self) -> bool:
        """Whether all images fail with one HTTP status: that may be an outage of their disk."""
        kinds = {(e.answered, e.fault, e.detail) for e in self.errors.values()}
        own = [answered and fault is FetchFault.NOT_THERE for answered, fault, _ in kinds]
        return not (self.fetched or self.skipped) and len(self.errors) > 1 and own == [True]

    def tries(self, error: FetchError) -> int | None:
        """Return in how many rounds an image may fail like this before it has failed.

        `None` is for as many as it takes: if a server hands out no image at all, or begins to
        refuse all, it is away or has shut this machine out.
        """
        if self.are_gone:
            return PATIENCE
        if error.fault is FetchFault.UNREACHABLE:
            return TRIES if error.answered or self.fetched else None
        return 1 if error.answered or (self.fetched and not self.has_stopped) else None


class ImageFetcher:
    """Fetches images one after the other over connections that stay open."""

    def __init__(self, transport: Transport, folder: Path, server: str) -> None:
        self._transport = transport
        self._folder = folder
        self._server = server

    def fetch_all(
        self, rows: Sequence[GivenRow], prefix: str, images: ImageRound
    ) -> Iterator[tuple[GivenRow, Path]]:
        """Fetch images, and note what became of each; files are to be removed after use."""
        for row in rows:
            if images.has_stopped:
                images.skipped += 1
                continue
            try:
                path = self._fetch(row.number, prefix, row.fullpath or "")
            except FetchError as error:
                images.errors[row.number] = error
                images.unanswered += not error.answered
            else:
                images.fetched += 1
                images.unanswered = 0
                yield row, path
        kinds = {(error.answered, error.fault) for error in images.errors.values()}
        shut_out = (False, FetchFault.NOT_THERE) in kinds
        state = "lets this machine have none" if shut_out else "is away"
        if images.retry_after:
            state = f"asks for {images.retry_after:g} seconds of rest"
        images.why_skipped = f"their server {state}"

    def _fetch(self, number: int, prefix: str, fullpath: str) -> Path:
        url = image_address(prefix, fullpath, self._server)
        for _ in range(REDIRECTS + 1):
            reply = self._ask(url)
            if reply.succeeded:
                path = self._folder / str(number)
                path.write_bytes(reply.body)
                return path
            url = redirected(url, reply.location)
        raise FetchError(FetchFault.BAD_ADDRESS, f"more than {REDIRECTS} redirects")

    def _ask(self, url: str) -> Reply:
        """Return the image or a redirect; all else is an error."""
        try:
            reply = self._transport.request("GET", url, limit=IMAGE_BYTES, seconds=IMAGE_SECONDS)
        except PrivateAddressError as error:
            raise FetchError(FetchFault.BAD_ADDRESS, str(error)) from None
        except BodyTooLargeError as error:
            raise FetchError(FetchFault.TOO_LARGE, str(error)) from None
        except RequestError as error:
            raise FetchError(FetchFault.UNREACHABLE, str(error), answered=False) from None
        if reply.succeeded or reply.location:
            return reply
        detail = f"status {reply.status}"
        if reply.is_transient:
            raise FetchError(FetchFault.UNREACHABLE, detail, not reply.is_busy, reply.retry_after)
        raise FetchError(FetchFault.NOT_THERE, detail, answered=reply.status not in NOT_LET_IN)


@contextmanager
def image_folder(path: Path) -> Iterator[Path]:
    """Make a folder for images, without what a run that was killed has left in it."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
