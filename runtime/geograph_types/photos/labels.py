"""What is known of photos beside their pixels: a CSV file with positions, distances and tags."""

import csv
import hashlib
import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from geograph_types.distance.coordinates import Coordinates
from geograph_types.distance.distance import Distance
from geograph_types.distance.grid import Grid, GridPosition
from geograph_types.distance.sources import NOWHERE, Place, Places, best_distance, parse_place
from geograph_types.errors import DistanceError, GridError, InputError
from geograph_types.photos.find import real_path

SPLITS: Final = ("tra", "val", "tes")
ID_BITS: Final = 63


@dataclass(frozen=True, slots=True)
class PhotoLabels:
    """One photo's row."""

    photo: Path  # as `label_key` returns it
    gridimage_id: int  # or a number made from the photo's name
    types: str  # comma-separated raw tags; empty if unknown
    places: Places
    distance: Distance  # as far as the row alone tells
    weight: float
    split: str
    error: str | None  # why distance or positions cannot be used


def read_labels(path: Path) -> dict[Path, PhotoLabels]:
    """Read a CSV file with a header and a row a photo.

    The column `photo` (relative to the file's folder) is required. Camera and subject are in
    any of these columns; the first that is filled is taken, for each of the two:

    - `camera`, `subject`: a grid reference ("TQ 299 804", "O 159 340"), or "latitude, longitude" in
      decimal degrees;
    - `grid` (osgb or irish) with `camera_easting`, `camera_northing`, `subject_easting`,
      `subject_northing` (metres, empty or 0 for unknown), and `camera_figures`, `subject_figures`
      or `figures` for both (4, 6, 8 or 10; 10 if left out);
    - `camera_latitude`, `camera_longitude`, `subject_latitude`, `subject_longitude`.

    A column `distance` (metres; empty or Unknown if it is not known) goes before what is
    measured between the two. Further columns: `gridimage_id`, `types`, `weight`, `split`.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, strict=True)
            if "photo" not in (reader.fieldnames or ()):
                raise InputError(
                    f"{path} has no column 'photo' in its first line: {_advice(reader.fieldnames)}"
                )
            labels: dict[Path, PhotoLabels] = {}
            for row in reader:
                where = f"{path}, line {reader.line_num}"
                if None in row:
                    raise InputError(f"{where} has more cells than the first line has columns")
                found = _labels({k: v or "" for k, v in row.items()}, path.parent, where)
                if found.photo in labels:
                    raise InputError(f"{where}: {row['photo']} is named a second time")
                labels[found.photo] = found
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a CSV file in UTF-8 ({error})") from None
    return labels


def _advice(names: Sequence[str] | None) -> str:
    """Return how to mend a first line without the column that is required."""
    first = ",".join(names or ())
    for mark, name in ((";", "semicolons"), ("\t", "tabs")):
        if mark in first:
            return f"it has {name} between its columns, so save it with commas"
    return "add a line with the columns' names, one of them photo"


def label_key(photo: Path) -> Path:
    """Return the path by which a photo's row is found.

    Links are followed, and letters with accents are in one piece: a CSV file mostly has them so,
    where macOS writes names of files in two.
    """
    return Path(unicodedata.normalize("NFC", str(real_path(photo))))


def _labels(row: Mapping[str, str], folder: Path, where: str) -> PhotoLabels:
    name = row["photo"].strip()
    if not name:
        raise InputError(f"{where}: column photo is empty")
    split = row.get("split", "").strip() or "tra"
    if split not in SPLITS:
        raise InputError(f"{where}: split {split!r} is not one of {', '.join(SPLITS)}")
    number = row.get("gridimage_id", "").strip()
    try:
        identity = int(number) if number else id_from_name(name)
        weight = float(row.get("weight", "").strip() or 1.0)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from None
    if not 0 <= identity < 1 << ID_BITS:
        raise InputError(
            f"{where}: gridimage_id {identity} is not a number of up to {ID_BITS} bits"
        )
    if not (math.isfinite(weight) and weight >= 0):
        raise InputError(f"{where}: weight {weight} is not 0 or more")
    places, distance, problem = NOWHERE, Distance.unknown(), None
    try:
        places = _places(row)
        distance = best_distance(places).distance
    except (GridError, DistanceError) as error:
        problem = str(error)
    types = row.get("types", "").strip()
    photo = label_key(folder / name)
    return PhotoLabels(photo, identity, types, places, distance, weight, split, problem)


def _places(row: Mapping[str, str]) -> Places:
    """Read what a row says of camera, subject and distance."""
    text = row.get("distance", "").strip()
    metres = Distance.parse(text).metres if text else None
    return Places(_place(row, "camera"), _place(row, "subject"), metres)


def _place(row: Mapping[str, str], who: str) -> Place | None:
    """Read a place from whichever columns have it; in the order of `read_labels`' docstring."""

    def cell(column: str) -> str:
        return row.get(f"{who}{column}", "").strip()

    if place := parse_place(cell("")):
        return place
    if cell("_easting") and cell("_northing"):
        grid = row.get("grid", "").strip().casefold()
        figures = cell("_figures") or row.get("figures", "").strip() or "10"
        return _position(who, grid, cell("_easting"), cell("_northing"), figures)
    if cell("_latitude") and cell("_longitude"):
        return Coordinates.parse(cell("_latitude"), cell("_longitude"))
    return None


def _position(
    who: str, grid: str, easting: str, northing: str, figures: str
) -> GridPosition | None:
    try:
        numbers = Grid(grid), int(easting), int(northing), int(figures)
    except ValueError as error:
        raise GridError(f"the {who}'s position cannot be read ({error})") from None
    return GridPosition.if_known(*numbers)


def id_from_name(name: str) -> int:
    """Return the same number for the same name on every machine."""
    digest = hashlib.blake2b(name.encode(errors="surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest) & ((1 << ID_BITS) - 1)
