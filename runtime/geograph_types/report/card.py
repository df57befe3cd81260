"""One photo's card on the page of thumbnails: its picture, its tags and where they come from."""

import base64
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Final

from geograph_types.decoding.thumbnail import SIDE
from geograph_types.distance.crossing import Crossing
from geograph_types.distance.distance import (
    UNKNOWN_BUCKET,
    Distance,
    DistanceBasis,
    DistanceSource,
)
from geograph_types.files.text import without_surrogates
from geograph_types.photos.result import PhotoResult
from geograph_types.prediction import Prediction
from geograph_types.tags import same_tags
from geograph_types.taxonomy import CLASSES
from geograph_types.thresholds import Thresholds

BASES: Final = {
    DistanceBasis.METRES: "given in metres",
    DistanceBasis.POSITIONS: "between positions",
    DistanceBasis.TOO_COARSE: "reference too coarse",
    DistanceBasis.UNKNOWN: "",
}
SOURCES: Final = {
    DistanceSource.GIVEN: "",
    DistanceSource.STATED: "labels file",
    DistanceSource.CSV_AND_EXIF: "labels file and EXIF",
    DistanceSource.EXIF: "EXIF",
    DistanceSource.UNKNOWN: "",
}
CROSSINGS: Final = {
    Crossing.CROSSED: "into another 1 km square",
    Crossing.NOT_CROSSED: "within one 1 km square",
    Crossing.TOO_CLOSE: "too close to a grid line to tell the square",
    Crossing.TOO_COARSE: "too coarse to tell the square",
    Crossing.UNKNOWN: "",
}


def photo_card(result: PhotoResult, picture: bytes | None, thresholds: Thresholds) -> str:
    """Write a photo's card as HTML; attributes `data-…` are for the page's filters."""
    if result.prediction is None:
        parts, data = _failure(result), {"failed": ""}
    else:
        parts, data = _tagged(result, result.prediction, picture, thresholds)
    if result.types:
        parts, data = _with_moderators(result, parts, data)
    attributes = "".join(f' data-{name}="{escape(value)}"' for name, value in data.items())
    return f"<article{attributes}>{''.join(parts)}{_name(result.path)}</article>\n"


def _name(path: Path) -> str:
    """Write a path as two lines; bytes that are not UTF-8 as escapes, as in JSON Lines."""
    name, folder = (escape(without_surrogates(str(part))) for part in (path.name, path.parent))
    # bdi: letters that turn the direction of writing turn nothing but the name itself.
    return f"<p class=name><bdi>{name}</bdi></p><p class=folder><bdi>{folder}</bdi></p>"


def _failure(result: PhotoResult) -> list[str]:
    fault, detail = (result.error.fault.value, result.error.detail) if result.error else ("", "")
    return [
        "<div class=none>No picture</div><h2>Failed</h2>"
        f"<p class=bad>{escape(fault)}</p><p>{escape(detail)}</p>"
    ]


def _tagged(
    result: PhotoResult,
    prediction: Prediction,
    picture: bytes | None,
    thresholds: Thresholds,
) -> tuple[list[str], dict[str, str]]:
    data = {
        "tags": ",".join(prediction.tags),
        "certain": ",".join(prediction.certain),
        "values": " ".join(f"{prediction.probabilities[name]:.2f}" for name in CLASSES),
    }
    if prediction.distance.bucket == UNKNOWN_BUCKET:
        data["far"] = "unknown"
    tags = escape(", ".join(prediction.tags)) or "No certain tag"
    parts = [_picture(picture), f"<h2>{tags}</h2>"]
    if prediction.certain:
        parts.append(f"<p class=good>certain: {escape(', '.join(prediction.certain))}</p>")
    if prediction.low_confidence:
        data["low"] = ""
        parts.append("<p class=warn>low confidence</p>")
    if result.truncated:
        data["truncated"] = ""
        parts.append("<p class=warn>file is cut off</p>")
    parts += ["<ul>", *_bars(prediction, thresholds), "</ul>"]
    parts.append(f"<p>{_distance(prediction.distance)}</p>")
    if result.problems:
        data["problems"] = ""
        parts += [f"<p class=warn>{escape(problem)}</p>" for problem in result.problems]
    return parts, data


def _with_moderators(
    result: PhotoResult, parts: list[str], data: dict[str, str]
) -> tuple[list[str], dict[str, str]]:
    given = ", ".join(tag.strip() for tag in result.types.split(","))
    verdict = ""
    if result.prediction is not None:
        same = same_tags(result.prediction.tags, result.types)
        data = data | {"moderators": "agree" if same else "differ"}
        verdict = " <span class=good>agree</span>" if same else " <span class=bad>differ</span>"
    return [*parts, f"<p>Moderators: {escape(given)}{verdict}</p>"], data


def _picture(picture: bytes | None) -> str:
    if picture is None:
        return "<div class=none>The photo can no longer be opened</div>"
    data = base64.b64encode(picture).decode()
    # The name and the tags beside it say all that is known of the picture.
    source = f"data:image/webp;base64,{data}"
    return f'<img alt="" width={SIDE} height={SIDE} decoding=async src="{source}">'


def _bars(prediction: Prediction, thresholds: Thresholds) -> Iterator[str]:
    limits = thresholds.at(prediction.distance.bucket).tags
    for name in CLASSES:
        value = prediction.probabilities[name]
        reached = " on" if value >= limits[name] else ""
        yield f'<li class="p{value * 100:.0f}{reached}">{name} <b>{value:.2f}</b></li>'


def _distance(distance: Distance) -> str:
    far = "unknown" if distance.metres is None else f"{distance.metres:,.0f} m"
    basis, source = BASES[distance.basis], SOURCES[distance.source]
    rest = ", ".join(filter(None, (basis, source, CROSSINGS[distance.crossing])))
    return f"Distance {far}{f' ({rest})' if rest else ''}"
