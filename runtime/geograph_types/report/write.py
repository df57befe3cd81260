"""One self-contained page of photos with their tags and probabilities."""

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from types import MappingProxyType
from typing import Final

from geograph_types.bundle import Bundle
from geograph_types.errors import OutputError
from geograph_types.files.atomic import new_file
from geograph_types.photos.result import PhotoResult
from geograph_types.report.card import photo_card
from geograph_types.report.thumbnails import with_thumbnails
from geograph_types.tags import FINAL_TAGS
from geograph_types.taxonomy import CLASSES
from geograph_types.thresholds import Thresholds

PARTS: Final = files("geograph_types").joinpath("report", "page")
STAND_IN: Final = (
    "<p class=notice>The encoder has stand-in weights, not CLIP&#8217;s: these tags mean "
    "something on drawn practice scenes only.</p>"
)


def write_report(
    path: Path,
    results: Iterable[PhotoResult],
    bundle: Bundle,
    threshold: float | None = None,
    jobs: int | None = None,
    thumbnails: Mapping[Path, bytes] = MappingProxyType({}),
) -> None:
    """Write the page; it needs nothing from elsewhere, and is there in full or not at all.

    Results are taken one at a time, and photos without a thumbnail are opened once more; memory
    does not grow with their number. A photo that can no longer be opened costs its thumbnail only.
    """
    thresholds = bundle.thresholds(threshold)
    page = PARTS.joinpath("page.html").read_text("utf-8")
    top, bottom = (Template(part) for part in page.split("$cards"))
    script = PARTS.joinpath("script.js").read_text("utf-8")
    style = PARTS.joinpath("style.css").read_text("utf-8") + _numbers(thresholds)
    start = top.substitute(
        policy=content_policy(style, script, images="data:"),
        style=style,
        notice=STAND_IN if bundle.is_stand_in else "",
        bundle=escape(bundle.label),
        options="".join(f"<option>{tag}</option>" for tag in FINAL_TAGS),
    )
    count = failed = 0
    with (
        _reported(path),
        new_file(path) as stream,
        closing(with_thumbnails(results, jobs, thumbnails)) as illustrated,
    ):
        stream.write(start.encode())
        for result, picture in illustrated:
            count += 1
            failed += result.error is not None
            card = photo_card(result, picture, thresholds)
            stream.write(card.encode(errors="backslashreplace"))
        end = bottom.substitute(count=f"{count:,}", failed=f"{failed:,}", script=script)
        stream.write(end.encode())


@contextmanager
def _reported(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(path, error.strerror or str(error)) from None


def _numbers(thresholds: Thresholds) -> str:
    """Return the widths of bars and the places of thresholds: the page allows no inline styles."""
    rules = [f".p{percent} {{ --value: {percent}%; }}\n" for percent in range(101)]
    for scope, state in (("", thresholds.known), ("[data-far=unknown] ", thresholds.unknown)):
        rules += [
            f"{scope}li:nth-child({place}) {{ --threshold: {state.tags[name]:.1%}; }}\n"
            for place, name in enumerate(CLASSES, start=1)
        ]
    return "".join(rules)


def content_policy(style: str, script: str, images: str) -> str:
    """Allow this style and this script by their digests, pictures from one kind, and no more."""
    kinds = (("style-src", style), ("script-src", script))
    digests = (
        f"{kind} 'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for kind, text in kinds
    )
    fixed = f"default-src 'none'; img-src {images}; base-uri 'none'; form-action 'none'"
    return "; ".join((fixed, *digests))
