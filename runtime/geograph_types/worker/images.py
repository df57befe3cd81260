"""Fetch images into a folder, where they stay until they are decoded."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from geograph_types.errors import InputError
from geograph_types.worker.address import Origin, image_address, redirected
from geograph_types.worker.faults import FetchError, FetchFault
from geograph_types.worker.label_server import seconds_of
from geograph_types.worker.protocol import GivenRow
from geograph_types.worker.public import PrivateAddressError
from geograph_types.worker.transport import BodyTooLargeError, Reply, RequestError, Transport

IMAGE_BYTES: Final = 32 << 20
"""Geograph's largest photos have a few megabytes; the usual ones, 640 px wide, a tenth of one."""

PATIENCE: Final = 8
"""How often a request is made if the number of rounds is limited, and images are asked for that
are all said not to be there; waits double meanwhile."""

TRIES: Final = 3
"""Rounds in which an image may fail to come although its server answers."""

IMAGE_SECONDS: Final = 60.0
REDIRECTS: Final = 3
NOT_LET_IN: Final = frozenset({401, 403})
"""Statuses that may be about the image, or about this machine, to which nothing is given."""

OUTAGE: Final = 5
"""Images in a row that their server does not hand out, after which the others are left."""


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
        details = {error.detail for error in self.errors.values()}
        own = all(e.answered and e.fault is FetchFault.NOT_THERE for e in self.errors.values())
        complete = not (self.fetched or self.skipped)
        return complete and len(self.errors) > 1 and len(details) == 1 and own

    def tries(self, error: FetchError) -> int | None:
        """Return in how many rounds an image may fail like this before it has failed.

        `None` is for as many as it takes: if a server hands out no image at all, or begins to
        refuse all, it is away or has shut this machine out.
        """
        if self.are_gone:
            return PATIENCE
        if error.fault is FetchFault.UNREACHABLE:
            return TRIES if error.answered or self.fetched else None
        if error.answered or (self.fetched and not self.has_stopped):
            return 1
        return None


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
        shut_out = any(
            not e.answered and e.fault is FetchFault.NOT_THERE for e in images.errors.values()
        )
        away = "their server lets this machine have none" if shut_out else "their server is away"
        asked = f"their server asks for {images.retry_after:g} seconds of rest"
        images.why_skipped = asked if images.retry_after else away

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
        except PrivateAddressError:
            host = Origin.of(url).host
            detail = f"host {host} is on this machine or its network, not on the internet"
            raise FetchError(FetchFault.BAD_ADDRESS, detail) from None
        except BodyTooLargeError:
            detail = f"it has over {IMAGE_BYTES >> 20} MB"
            raise FetchError(FetchFault.TOO_LARGE, detail) from None
        except RequestError as error:
            raise FetchError(FetchFault.UNREACHABLE, str(error), answered=False) from None
        if reply.succeeded or (reply.redirects and reply.location):
            return reply
        detail = f"status {reply.status}"
        if reply.status >= 500 or reply.is_busy:
            is_away = reply.status == 503 or reply.is_busy
            wait = seconds_of(reply.retry_after) or 0.0
            raise FetchError(FetchFault.UNREACHABLE, detail, not is_away, wait)
        raise FetchError(FetchFault.NOT_THERE, detail, answered=reply.status not in NOT_LET_IN)


@contextmanager
def image_folder(path: Path) -> Iterator[Path]:
    """Make a folder for images, without what a run that was killed has left in it."""
    shutil.rmtree(path, ignore_errors=True)
    try:
        path.mkdir()
    except OSError as error:
        raise InputError(
            f"folder {path} for images cannot be made ({error.strerror}): name a state file in "
            "another place"
        ) from None
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
