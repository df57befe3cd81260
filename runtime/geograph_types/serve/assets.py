"""The page at `/` and the files that it loads, read from the package."""

from importlib.resources import files
from typing import Final

MEDIA_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}

# Content and media type by path.
ASSETS: Final = {
    "/" if file.name == "page.html" else f"/page/{file.name}": (
        file.read_bytes(),
        MEDIA_TYPES[file.name.rpartition(".")[2]],
    )
    for file in files("geograph_types").joinpath("serve", "page").iterdir()
}
