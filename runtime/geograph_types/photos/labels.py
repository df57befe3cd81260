"""What is known of photos beside their pixels: a CSV file with positions, distances and tags."""

import hashlib
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from geograph_types.distance.coordinates import Coordinates
from geograph_types.distance.distance import Distance
from geograph_types.distance.grid import Grid, GridPosition
from geograph_types.distance.sources import NOWHERE, Place, Places, best_distance, parse_place
from geograph_types.distance.written import parse_metres, parse_number
from geograph_types.errors import GridError, InputError
from geograph_types.files.csv_rows import read_rows
from geograph_types.photos.find import real_path

SPLITS: Final = ("tra", "val", "tes")
ID_BITS: Final = 63
WHOLE: Final = re.compile(r"([0-9]{1,20})(?:[.,]0*)?")


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


DATASET_COLUMNS: Final = ("gridimage_id", "weight", "split")
"""What tagging makes no use of."""

PAIRS: Final = (("easting", "northing"), ("latitude", "longitude"))

COLUMNS: Final = (
    *("photo", "gridimage_id", "types", "distance", "grid", "figures", "weight", "split"),
    *(
        f"{who}{part}"
        for who in ("camera", "subject")
        for part in ("", "_easting", "_northing", "_figures", "_latitude", "_longitude")
    ),
)


def read_labels(
    path: Path,
    note: Callable[[str], object] = lambda _: None,
    unused: Iterable[str] = (),
) -> dict[Path, PhotoLabels]:
    """Read a CSV file with a header and a row a photo; the rows by `label_key` of their photos.

    The column `photo` (relative to the file's folder) is required. Camera and subject are in
    any of these columns; the first that is filled is taken, for each of the two:

    - `camera`, `subject`: a grid reference ("TQ 299 804", "O 159 340"), a latitude and longitude,
      or an easting and northing in metres;
    - `grid` (osgb or irish) with `camera_easting`, `camera_northing`, `subject_easting`,
      `subject_northing` (metres, empty or 0 for unknown), and `camera_figures`, `subject_figures`
      or `figures` for both (4, 6, 8 or 10; 10 if left out);
    - `camera_latitude`, `camera_longitude`, `subject_latitude`, `subject_longitude`.

    A column `distance` (metres, or with its unit; empty or Unknown if it is not known) goes before
    what is measured between the two. Further columns: `gridimage_id`, `types`, `weight`, `split`.
    `note` is told of the columns that are not known, or are among `unused`.
    """
    names, rows = read_rows(path)
    if "photo" not in names:
        raise InputError(
            f"{path} has no column 'photo' in its first line: add a line with the columns' names, "
            "one of them photo"
        )
    _check_columns(path, names, note)
    for name in set(names).intersection(unused):
        note(f"note: the column {name!r} of {path} is not used here")
    labels: dict[Path, PhotoLabels] = {}
    for where, row in rows:
        found = _labels(row, path.parent, where)
        if found.photo in labels:
            raise InputError(f"{where}: {row['photo']} is named a second time")
        labels[found.photo] = found
    return labels


def _check_columns(path: Path, names: Sequence[str], note: Callable[[str], object]) -> None:
    """Refuse half a pair of columns, and report those that are not known."""
    for pair in PAIRS:
        for who in ("camera", "subject"):
            halves = {f"{who}_{half}" for half in pair}
            missing = halves.difference(names)
            if len(missing) == 1:
                (there,), (other,) = halves - missing, missing
                raise InputError(f"{path} has a column {there} and no {other}: add it")
    for name in names:
        if name not in COLUMNS:
            alike = get_close_matches(name, COLUMNS, n=1)
            advice = f"is {alike[0]} meant?" if alike else f"known are {', '.join(COLUMNS)}"
            note(f"note: the column {name!r} of {path} is not used: {advice}")


def label_key(photo: Path) -> Path:
    """Return the path by which a photo's row is found.

    Links are followed, and letters with accents are in one piece: a CSV file mostly has them so,
    where macOS writes names of files in two.
    """
    return Path(unicodedata.normalize("NFC", str(real_path(photo))))


def _labels(row: Mapping[str, str], folder: Path, where: str) -> PhotoLabels:
    name = _path(row["photo"], folder)
    if not name:
        raise InputError(f"{where}: column photo is empty")
    split = row.get("split") or "tra"
    if split not in SPLITS:
        raise InputError(f"{where}: split {split!r} is not one of {', '.join(SPLITS)}")
    identity = _whole(row["gridimage_id"], where) if row.get("gridimage_id") else id_from_name(name)
    try:
        weight = parse_number(row.get("weight") or "1")
    except InputError as error:
        raise InputError(f"{where}: weight {error}") from None
    if weight < 0:
        raise InputError(f"{where}: weight {weight} is not 0 or more")
    places, distance, problem = NOWHERE, Distance.unknown(), None
    try:
        places = _places(row)
        distance = best_distance(places).distance
    except InputError as error:
        problem = str(error)
    photo = label_key(folder / name)
    return PhotoLabels(
        photo, identity, row.get("types", ""), places, distance, weight, split, problem
    )


def _path(name: str, folder: Path) -> str:
    """Read a path with backslashes as Windows means it, unless there is a file of that name."""
    if "\\" not in name or os.path.exists(folder / name):  # noqa: PTH110  Path's fails at long names
        return name
    return os.path.normpath(name.replace("\\", "/"))


def _whole(text: str, where: str) -> int:
    """Read an id, which a spreadsheet may have given decimals."""
    match = WHOLE.fullmatch(text)
    if not match or int(match[1]) >= 1 << ID_BITS:
        raise InputError(f"{where}: gridimage_id {text!r} is not a number of up to {ID_BITS} bits")
    return int(match[1])


def _places(row: Mapping[str, str]) -> Places:
    """Read what a row says of camera, subject and distance."""
    text = row.get("distance", "")
    stated = text and text.casefold() != "unknown"
    metres = Distance.from_metres(parse_metres(text)).metres if stated else None
    return Places(_place(row, "camera"), _place(row, "subject"), metres)


def _place(row: Mapping[str, str], who: str) -> Place | None:
    """Read a place from whichever columns have it; in the order of `read_labels`' docstring."""
    grid = Grid.named(row["grid"]) if row.get("grid") else None
    if place := parse_place(row.get(who, ""), grid):
        return place
    for pair in PAIRS:
        cells = [row.get(f"{who}_{half}", "") for half in pair]
        if any(cells) and not all(cells):
            raise GridError(f"the {who} has {pair[0]} or {pair[1]} and not both: add the other")
    easting, northing = (row.get(f"{who}_{half}", "") for half in PAIRS[0])
    if easting:
        figures = row.get(f"{who}_figures") or row.get("figures") or "10"
        return _position(who, grid, easting, northing, figures)
    latitude, longitude = (row.get(f"{who}_{half}", "") for half in PAIRS[1])
    return Coordinates.parse(latitude, longitude) if latitude else None


def _position(
    who: str, grid: Grid | None, easting: str, northing: str, figures: str
) -> GridPosition | None:
    if grid is None:
        raise GridError(f"the {who}'s position cannot be read: add a column 'grid', osgb or irish")
    try:
        numbers = [int(parse_number(text)) for text in (easting, northing, figures)]
    except InputError as error:
        raise GridError(f"the {who}'s position cannot be read: {error}") from None
    return GridPosition.if_known(grid, *numbers)


def id_from_name(name: str) -> int:
    """Return the same number for the same name on every machine."""
    digest = hashlib.blake2b(name.encode(errors="surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest) & ((1 << ID_BITS) - 1)
