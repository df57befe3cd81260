"""Fetch the heads that Geograph has released, by name; the only importer of pooch."""

import fcntl
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Final
from urllib.parse import urlsplit

from geograph_types.errors import InputError, MissingExtraError
from geograph_types_export.download import Limits, ResumingDownload, file_sha256
from geograph_types_export.errors import CacheError, DownloadError
from geograph_types_trainer.checkpoint.archive import ARCHIVE_LIMIT

try:
    import pooch
except ModuleNotFoundError:
    raise MissingExtraError("pooch", "export") from None

CACHE_VARIABLE: Final = "GEOGRAPH_TYPES_CACHE"
MIRROR_VARIABLE: Final = "GEOGRAPH_TYPES_MIRROR"

FILE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
SHA256: Final = re.compile(r"[0-9a-f]{64}")
LIMITS: Final = Limits(size=ARCHIVE_LIMIT)
"""A larger file would be refused as a checkpoint in any case."""

UP_TO_LAST_AT: Final = re.compile(r"^([\w+.-]*://)?.*@", re.DOTALL)
"""Of what is no address; where they end is then anybody's guess, so it is the last @."""

LOCK: Final = ".lock"
LOCK_POLL_SECONDS: Final = 0.1

CACHE_ADVICE: Final = (
    f"name a folder that can be written in {CACHE_VARIABLE}, or give the head's path in place of "
    "its name"
)

pooch.get_logger().setLevel("WARNING")  # it would report each download on standard error


@dataclass(frozen=True, slots=True)
class ReleasedHead:
    """One published file.

    Attributes:
        file: its name.
        sha256: its digest, 64 lower-case digits.
    """

    file: str
    sha256: str

    def __post_init__(self) -> None:
        """Refuse a name that leaves its folder, and what is no digest."""
        if not FILE_NAME.fullmatch(self.file) or not SHA256.fullmatch(self.sha256):
            raise InputError(
                f"{self.file!r} with SHA-256 {self.sha256!r} is no released head: give a plain "
                "file name and 64 lower-case digits"
            )


@dataclass(frozen=True, slots=True)
class Source:
    """Where heads are published, and what each of them is.

    Attributes:
        address: the folder that holds them, http or https.
        heads: by the name of the release.
    """

    address: str
    heads: Mapping[str, ReleasedHead]

    def __post_init__(self) -> None:
        """Refuse what is no address."""
        try:
            parts = urlsplit(self.address)
            good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            good = False
        if not good:
            shown = UP_TO_LAST_AT.sub(r"\1", self.address)
            raise InputError(
                f"{shown!r} is no address of heads: give one like https://mirror.example/heads "
                f"(http or https) in {MIRROR_VARIABLE}, or leave it unset"
            )

    def url(self, head: ReleasedHead) -> str:
        """Give a head's address."""
        return f"{self.address.rstrip('/')}/{head.file}"


GEOGRAPH: Final = Source(
    "https://github.com/geograph-project/geograph-type-classifier/raw/main",
    MappingProxyType(
        {
            "v1": ReleasedHead(
                "best_geograph_model_v1.pth",
                "928da284edceafd47f2c9350dd4a518690a1d7b1575aefdb3fb9031c2568e806",
            ),
            "v2": ReleasedHead(
                "best_geograph_model_v2.pth",
                "b3358b9f70b1610c9f94635c85c6fc8de1b1589b609c2d8e1c9def89a4c9005a",
            ),
            "v2.1": ReleasedHead(
                "best_geograph_model_v2.1.pth",
                "39b913e7d7bcc8e607d1154e77d20045bff083ffe811922e4e5a7238b06806a0",
            ),
            "v2.3": ReleasedHead(
                "best_geograph_model_v2.3.pth",
                "e720cc96f844980918c2e6b6cbef52e549a137b128d03d7317efe2dfc17f6dd3",
            ),
        }
    ),
)
"""Geograph's own heads (CC BY-SA 4.0). Branches move; the digests pin what is accepted."""


def released_source() -> Source:
    """Give Geograph's source, at the mirror that GEOGRAPH_TYPES_MIRROR names if it is set.

    Raises:
        InputError: the mirror's address is none.
    """
    mirror = os.environ.get(MIRROR_VARIABLE)
    return replace(GEOGRAPH, address=mirror) if mirror else GEOGRAPH


def cache_folder() -> Path:
    """Give the folder for fetched heads: GEOGRAPH_TYPES_CACHE, or the platform's for this user.

    Raises:
        CacheError: it is in the home folder of a user who has none.
    """
    named = os.environ.get(CACHE_VARIABLE)
    try:
        return Path(named or pooch.os_cache("geograph-types")).expanduser()
    except RuntimeError:
        problem = f"names a home folder that is not known: {CACHE_ADVICE}"
        raise CacheError(Path(named or "~"), problem) from None


def fetch_head(name: str, source: Source, cache: Path, limits: Limits = LIMITS) -> Path:
    """Give a released head's file, from the cache or from the network.

    A file in the cache counts if its digest is right, however it came there; nothing is asked of
    the network then, and nothing is written.

    Args:
        name: of the release.
        source: which releases there are, and where.
        cache: folder of fetched files; it is made where it is needed.
        limits: of size, time and tries.

    Raises:
        InputError: there is no release of this name.
        DownloadError: the file cannot be fetched.
        DigestError: what was fetched is another file; it was not kept.
        CacheError: the cache cannot be written, or another process does not let go of it.
    """
    head = source.heads.get(name)
    if head is None:
        raise InputError(
            f"no head {name!r} has been released: there are {', '.join(source.heads)}; for a file "
            "of your own, give its path"
        )
    try:
        path = cache.absolute() / head.file
        if not path.is_file() or file_sha256(path) != head.sha256:
            with _locked(path.parent, limits.lock_seconds):
                _retrieve(source.url(head), path, head.sha256, limits)
    except OSError as error:
        problem = f"cannot be used ({error.strerror or error})"
        raise CacheError(cache, f"{problem}: make room there, or {CACHE_ADVICE}") from None
    return path


def _retrieve(url: str, path: Path, sha256: str, limits: Limits) -> None:
    try:
        pooch.retrieve(
            url,
            known_hash=f"sha256:{sha256}",
            fname=path.name,
            path=path.parent,
            downloader=ResumingDownload(path, sha256, limits),
        )
    except DownloadError as error:
        if not path.exists():
            raise
        problem = f"{error.problem}; the file that lies in the cache has another digest"
        raise DownloadError(error.url, path, problem) from None


@contextmanager
def _locked(folder: Path, seconds: float) -> Iterator[None]:
    """Let one process at a time download into a folder; whoever waited finds the file there."""
    folder.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + seconds
    with (folder / LOCK).open("ab") as file:
        while not _lock(file):
            if time.monotonic() >= deadline:
                raise CacheError(
                    folder,
                    f"is in use: another process holds {folder / LOCK} and has not let go of it "
                    f"within {seconds:g} s: run again when that one has ended, or {CACHE_ADVICE}",
                )
            time.sleep(LOCK_POLL_SECONDS)
        yield


def _lock(file: BinaryIO) -> bool:
    """Lock a file until it is closed; give whether nobody else has."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
