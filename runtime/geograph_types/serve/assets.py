"""The page at `/` and the files that it loads, out of the package."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

FOLDER: Final = files("geograph_types").joinpath("serve", "page")

SCRIPTS: Final = ("card", "distances", "preview", "script", "service", "table")

NAMES: Final = {
    "/": "page.html",
    "/page/icon.svg": "icon.svg",
    "/page/style.css": "style.css",
    **{f"/page/{name}.js": f"{name}.js" for name in SCRIPTS},
}
"""Files by path; nothing else can be asked for."""

ASSET_PATHS: Final = frozenset(NAMES)

MEDIA_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of the page.

    Attributes:
        content: of the file.
        media_type: for the header Content-Type.
    """

    content: bytes
    media_type: str


@cache
def page_asset(path: str) -> Asset:
    """Read a file of the page.

    Args:
        path: one of `ASSET_PATHS`, as in a request.

    Raises:
        KeyError: it is none of them.
    """
    name = NAMES[path]
    return Asset(FOLDER.joinpath(name).read_bytes(), MEDIA_TYPES[name.rpartition(".")[2]])
