"""One self-contained page of photos with their tags and probabilities."""

import base64
import html
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from PIL import Image

from geograph_types.atomic import new_file
from geograph_types.bundle import Bundle
from geograph_types.errors import PhotoError
from geograph_types.images import open_photo
from geograph_types.prediction import Prediction
from geograph_types.results import PhotoResult
from geograph_types.taxonomy import CLASSES

__all__ = ["write_report"]

THUMBNAIL: Final = (224, 168)
"""Largest width and height of a thumbnail, in pixels."""

STYLE: Final = """
:root { color-scheme: light dark; --line: #8886; --bar: #2a6fb0; --on: #c2570c; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 1.5rem auto; max-width: 80rem;
  padding: 0 1rem; }
h1 { font-size: 1.4rem; } .notice { border-left: 4px solid var(--on); padding: .3rem .8rem; }
main { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(14.5rem, 1fr)); }
article { border: 1px solid var(--line); border-radius: 8px; overflow: hidden;
  padding-bottom: .6rem; content-visibility: auto; contain-intrinsic-size: 15rem 26rem; }
article img { display: block; width: 100%; aspect-ratio: 4 / 3; object-fit: cover; }
h2 { font-size: .95rem; margin: .5rem .7rem .1rem; } article p { margin: .1rem .7rem; }
.small { font-size: .8rem; opacity: .8; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: 5.4rem 1fr 2.4rem; gap: .1rem .4rem; margin: .5rem .7rem;
  font-size: .8rem; align-items: center; }
dt, dd { margin: 0; } .track { background: var(--line); height: .6rem; border-radius: 3px; }
.fill { background: var(--bar); height: 100%; border-radius: 3px; } .on { background: var(--on); }
.number { text-align: right; font-variant-numeric: tabular-nums; }
"""


def write_report(path: Path, results: Sequence[PhotoResult], bundle: Bundle) -> None:
    """Write the page; it needs nothing from elsewhere, and is there in full or not at all.

    Args:
        path: the HTML file.
        results: photos in the order of the page.
        bundle: the one that tagged them.

    Raises:
        OSError: it cannot be written.
    """
    thresholds = bundle.manifest.thresholds
    notice = (
        '<p class="notice">The encoder has stand-in weights, not CLIP&#8217;s: these tags mean '
        "something on drawn practice scenes only.</p>"
        if bundle.is_stand_in
        else ""
    )
    failed = sum(result.error is not None for result in results)
    with new_file(path) as stream:
        stream.write(
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>Type tags of {len(results)} photos</title><style>{STYLE}</style></head>\n"
            f"<body><h1>Type tags of {len(results)} photos</h1>{notice}\n"
            f"<p>{html.escape(bundle.label)}; {failed} failed. "
            "Orange bars reach their threshold.</p><main>\n".encode()
        )
        for result in results:
            stream.write(_article(result, thresholds).encode(errors="replace"))
        stream.write(b"</main></body></html>\n")


def _article(result: PhotoResult, thresholds: dict[str, float]) -> str:
    name = html.escape(result.path.name)
    given = f'<p class="small">Moderators: {html.escape(result.types)}</p>' if result.types else ""
    if result.prediction is None:
        reason = html.escape(str(result.error.fault.value if result.error else ""))
        return f'<article><h2>{reason}</h2><p class="small">{name}</p>{given}</article>\n'
    prediction = result.prediction
    tags = ", ".join(prediction.tags) + (" (best guess)" if prediction.low_confidence else "")
    metres = prediction.distance.metres
    far = prediction.distance.basis.value if metres is None else f"{metres:,.0f} m"
    return (
        f'<article><img loading="lazy" alt="{name}" src="{_thumbnail(result.path)}">'
        f"<h2>{html.escape(tags)}</h2>{given}"
        f'<p class="small">Distance: {html.escape(far)}</p>'
        f"<dl>{_bars(prediction, thresholds)}</dl>"
        f'<p class="small">{name}</p></article>\n'
    )


def _bars(prediction: Prediction, thresholds: dict[str, float]) -> str:
    return "".join(
        f'<dt>{name}</dt><dd class="track"><div class="fill'
        f'{" on" if prediction.probabilities[name] >= thresholds[name] else ""}" '
        f'style="width:{prediction.probabilities[name]:.0%}"></div></dd>'
        f'<dd class="number">{prediction.probabilities[name]:.2f}</dd>'
        for name in CLASSES
    )


def _thumbnail(path: Path) -> str:
    """Draw a photo small, as a data address; empty where it has gone since it was tagged."""
    try:
        image = open_photo(path)
    except PhotoError:
        return ""
    image = image.convert("RGB")
    image.thumbnail(THUMBNAIL, Image.Resampling.BILINEAR)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=72)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
