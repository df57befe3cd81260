"""The page at `/` and the files that it loads, read from the package."""

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
"""Files by path; no other file is served."""

ASSET_PATHS: Final = frozenset(NAMES)

MEDIA_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


@cache
def page_asset(path: str) -> tuple[bytes, str]:
    """Return the content and media type of one of `ASSET_PATHS`."""
    name = NAMES[path]
    return FOLDER.joinpath(name).read_bytes(), MEDIA_TYPES[name.rpartition(".")[2]]
