"""The page at `/` and the files that it loads, read from the package."""

from functools import cache
from importlib.resources import files
from typing import Final

MEDIA_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
FILES: Final = {
    "/" if file.name == "page.html" else f"/page/{file.name}": file
    for file in files("geograph_types").joinpath("serve", "page").iterdir()
}
ASSET_PATHS: Final = frozenset(FILES)


@cache
def page_asset(path: str) -> tuple[bytes, str]:
    """Return the content and media type of one of `ASSET_PATHS`."""
    return FILES[path].read_bytes(), MEDIA_TYPES[FILES[path].name.rpartition(".")[2]]
