"""Fetch images into a folder, where they stay until they were decoded."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.request import getproxies

from geograph_types.errors import InputError
from geograph_types.worker.address import (
    Origin,
    image_address,
    is_public,
    redirected,
    resolves_to_public,
)
from geograph_types.worker.faults import FetchError, FetchFault
from geograph_types.worker.transport import BodyTooLargeError, RequestError, Transport

IMAGE_BYTES: Final = 32 << 20
"""Geograph's largest photos have a few megabytes; the usual ones, 640 px wide, a tenth of one."""

IMAGE_SECONDS: Final = 60.0
REDIRECTS: Final = 3
NOT_LET_IN: Final = frozenset({401, 403})
"""Statuses that may speak of the image, or of this machine, to which nothing is given."""


class ImageFetcher:
    """Fetches images one after the other over connections that stay open."""

    def __init__(self, transport: Transport, folder: Path, server: str) -> None:
        """Fetch nothing yet."""
        self._transport = transport
        self._folder = folder
        self._server = server
        self._trusted = Origin.of(server).host
        # A proxy looks names up itself, and is what we are connected to.
        self._direct = not getproxies()

    def fetch(self, number: int, prefix: str, fullpath: str) -> Path:
        """Fetch one image."""
        url = image_address(prefix, fullpath, self._server)
        path = self._folder / str(number)
        for _ in range(REDIRECTS + 1):
            location = self._fetch_once(url, path)
            if not location:
                return path
            url = redirected(url, location)
        raise FetchError(FetchFault.BAD_ADDRESS, f"more than {REDIRECTS} redirects")

    def _fetch_once(self, url: str, path: Path) -> str:
        """Fetch what is at an address; gives where it redirects, if it does."""
        origin = Origin.of(url)
        trusted = origin.host == self._trusted
        if not trusted and self._direct and not resolves_to_public(origin):
            detail = f"host {origin.host} is on this machine or its network, not on the internet"
            raise FetchError(FetchFault.BAD_ADDRESS, detail)
        try:
            with path.open("wb") as file:
                reply = self._transport.request(
                    "GET",
                    url,
                    limit=IMAGE_BYTES,
                    seconds=IMAGE_SECONDS,
                    into=file,
                    allows=None if trusted or not self._direct else is_public,
                )
        except BodyTooLargeError:
            path.unlink()
            detail = f"it has over {IMAGE_BYTES >> 20} MB"
            raise FetchError(FetchFault.TOO_LARGE, detail) from None
        except RequestError as error:
            path.unlink()
            raise FetchError(FetchFault.UNREACHABLE, str(error), answered=False) from None
        if reply.succeeded:
            return ""
        path.unlink()
        if reply.redirects and reply.location:
            return reply.location
        detail = f"status {reply.status}"
        if reply.status >= 500 or reply.is_busy:
            busy = reply.status == 503 or reply.is_busy
            raise FetchError(FetchFault.UNREACHABLE, detail, answered=not busy)
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
