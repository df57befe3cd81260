"""Fetch the heads that Geograph has released, by name; the only importer of pooch."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from geograph_types.errors import InputError, MissingExtraError
from geograph_types_export.errors import CacheError, DownloadError

try:
    import pooch
    from requests import RequestException
except ModuleNotFoundError:
    raise MissingExtraError("pooch", "export") from None

CACHE_VARIABLE: Final = "GEOGRAPH_TYPES_CACHE"
MIRROR_VARIABLE: Final = "GEOGRAPH_TYPES_MIRROR"

GEOGRAPH: Final = "https://github.com/geograph-project/geograph-type-classifier/raw/main"
"""Geograph's own heads (CC BY-SA 4.0). Branches move; the digests pin what is accepted."""

DIGESTS: Final[Mapping[str, str]] = {
    "v1": "928da284edceafd47f2c9350dd4a518690a1d7b1575aefdb3fb9031c2568e806",
    "v2": "b3358b9f70b1610c9f94635c85c6fc8de1b1589b609c2d8e1c9def89a4c9005a",
    "v2.1": "39b913e7d7bcc8e607d1154e77d20045bff083ffe811922e4e5a7238b06806a0",
    "v2.3": "e720cc96f844980918c2e6b6cbef52e549a137b128d03d7317efe2dfc17f6dd3",
}
"""SHA-256 of each release's file."""

SECONDS: Final = (10.0, 30.0)
"""Until the server is reached, and without a byte from it."""
RETRIES: Final = 2

UP_TO_LAST_AT: Final = re.compile(r"^([\w+.-]*://)?.*@", re.DOTALL)
"""Of what is not an address; where its password ends is then anybody's guess, so the last @."""

CACHE_ADVICE: Final = (
    f"name a folder that can be written in {CACHE_VARIABLE}, or give the head's path in place of "
    "its name"
)

pooch.get_logger().setLevel("WARNING")  # it would report each download on standard error


def file_of(name: str) -> str:
    """Return the name of a release's file."""
    return f"best_geograph_model_{name}.pth"


def fetch_head(name: str) -> Path:
    """Return a released head's file, from the cache or from the network.

    A file in the cache counts if its digest is right, however it came there; the network is not
    asked then, and nothing is written. Proxies are those of the environment.
    """
    if name not in DIGESTS:
        raise InputError(
            f"no head {name!r} has been released: there are {', '.join(DIGESTS)}; for a file of "
            "your own, give its path"
        )
    address, folder, file = heads_address(), cache_folder().absolute(), file_of(name)
    cache = pooch.create(
        path=folder,
        base_url=f"{address.rstrip('/')}/",
        registry={file: f"sha256:{DIGESTS[name]}"},
        retry_if_failed=RETRIES,
    )
    try:
        cache.fetch(file, downloader=pooch.HTTPDownloader(timeout=SECONDS))
    except (RequestException, ValueError) as error:
        problem = _reason(error)
        if (folder / file).exists():
            problem += "; the file in the cache has another digest"
        raise DownloadError(cache.get_url(file), folder / file, problem) from None
    except OSError as error:
        problem = f"cannot be used ({error.strerror or error})"
        raise CacheError(folder, f"{problem}: make room there, or {CACHE_ADVICE}") from None
    return folder / file


def heads_address() -> str:
    """Return the address of the folder that holds the heads: Geograph's, or the mirror's."""
    address = os.environ.get(MIRROR_VARIABLE) or GEOGRAPH
    try:
        parts = urlsplit(address)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        shown = UP_TO_LAST_AT.sub(r"\1", address)
        raise InputError(
            f"{shown!r} is not an address of heads: give one like https://mirror.example/heads "
            f"(http or https) in {MIRROR_VARIABLE}, or leave it unset"
        )
    return address


def cache_folder() -> Path:
    """Return the folder of fetched heads: GEOGRAPH_TYPES_CACHE, or the platform's for the user."""
    named = os.environ.get(CACHE_VARIABLE)
    try:
        return Path(named or pooch.os_cache("geograph-types")).expanduser()
    except RuntimeError:
        problem = f"names a home folder that is not known: {CACHE_ADVICE}"
        raise CacheError(Path(named or "~"), problem) from None


def _reason(error: BaseException) -> str:
    """Return the first cause, which the client's errors wrap in several others."""
    kind = type(error).__name__
    while error.__context__ is not None:
        error = error.__context__
    return f"{kind}: {error}"
