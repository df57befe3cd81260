"""A folder of practice photographs with their labels."""

import csv
import io
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from geograph_types.errors import InputError
from geograph_types.files.atomic import new_file
from geograph_types.taxonomy import CLASSES
from geograph_types_trainer.scenes.catalogue import draw_scene, scene_generator
from geograph_types_trainer.scenes.places import Place, draw_place

LABEL_COLUMNS: Final = (
    "photo",
    "gridimage_id",
    "types",
    "grid",
    "camera_easting",
    "camera_northing",
    "subject_easting",
    "subject_northing",
    "weight",
    "split",
)

# Orientation tag of EXIF, and how to turn the upright picture to store it so.
_TURNS: Final = {
    1: None,
    3: Image.Transpose.ROTATE_180,
    6: Image.Transpose.ROTATE_90,
    8: Image.Transpose.ROTATE_270,
}
_TURNED = 0.1  # share of photographs that are upright only after reading EXIF
_EXIF_FOLDER, _MAKE, _MODEL, _ORIENTATION, _TAKEN = 0x8769, 0x010F, 0x0110, 0x0112, 0x9003
_IDS_PER_SEED = 1_000_000


def write_scenes(
    out: Path,
    per_class: int,
    seed: int,
    progress: Callable[[Iterable[int]], Iterable[int]] | None = None,
) -> Path:
    """Draw labelled practice photographs into a folder.

    The photographs are JPEG files of 640x480 pixels once EXIF orientation is applied. The labels
    are written last, so a folder that has them is complete.

    Args:
        out: Folder to write to; made if there is none.
        per_class: Number of photographs for each of the seven classes.
        seed: 0 or more; the same seed and number give the same files.
        progress: Passes the photographs' numbers on, one when the one before is written.

    Returns:
        Path of the labels, `labels.csv`, with the columns `LABEL_COLUMNS`.

    Raises:
        InputError: `per_class` is not between 1 and 142,857, `seed` is negative, or `out` is a
            file or a folder that is not empty.
        OSError: the folder cannot be written.
    """
    _check(out, per_class, seed)
    total = per_class * len(CLASSES)
    out.mkdir(parents=True, exist_ok=True)
    splits = [_splits(per_class, seed, index) for index in range(len(CLASSES))]
    rows: list[list[object]] = []
    for number in progress(range(total)) if progress else range(total):
        turn, index = divmod(number, len(CLASSES))
        rng = scene_generator(seed, number)
        name = f"{CLASSES[index].lower().replace(' ', '-')}-{turn + 1:04d}.jpg"
        (out / name).write_bytes(_encode(draw_scene(CLASSES[index], rng), rng))
        place = draw_place(CLASSES[index], rng)
        image_id = seed * _IDS_PER_SEED + number + 1
        rows.append([name, image_id, *_position_fields(place), 1.0, splits[index][turn]])
    labels = out / "labels.csv"
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(LABEL_COLUMNS)
    writer.writerows(rows)
    with new_file(labels) as stream:
        stream.write(text.getvalue().encode())
    return labels


def _check(out: Path, per_class: int, seed: int) -> None:
    if per_class < 1 or per_class * len(CLASSES) > _IDS_PER_SEED:
        raise InputError(
            f"{per_class} photographs a class: it must be from 1 to {_IDS_PER_SEED // len(CLASSES)}"
        )
    if seed < 0:
        raise InputError(f"seed is {seed}: it must be 0 or more")
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file: give a folder to write the photographs to")
    if out.exists() and any(out.iterdir()):
        raise InputError(f"{out} is not empty: give a new folder, so that nothing is overwritten")


def _splits(per_class: int, seed: int, class_index: int) -> list[str]:
    """Draw which photographs of a class train (80 %), validate (10 %) and test (10 %)."""
    tenth = per_class // 10
    names = ["val"] * tenth + ["tes"] * tenth + ["tra"] * (per_class - 2 * tenth)
    order = np.random.default_rng([seed, class_index, per_class]).permutation(per_class)
    return [names[position] for position in order]


def _position_fields(place: Place) -> tuple[object, ...]:
    """Tags, grid, camera and subject, as the labels hold them."""
    camera = ("", "") if place.camera is None else place.camera
    return place.tags, place.grid, *camera, *place.subject


def _encode(picture: Image.Image, rng: np.random.Generator) -> bytes:
    """Store an upright picture as JPEG with EXIF, a few of them turned on their side or head."""
    turned = rng.uniform() < _TURNED
    orientation = int(rng.choice([3, 6, 8])) if turned else 1
    transpose = _TURNS[orientation]
    stored = picture if transpose is None else picture.transpose(transpose)
    exif = Image.Exif()
    exif[_MAKE] = "Practice"
    exif[_MODEL] = "Drawn scene"
    exif[_ORIENTATION] = orientation
    year, month, day = rng.integers((2005, 1, 1), (2025, 13, 29))
    hour, minute, second = rng.integers((7, 0, 0), (20, 60, 60))
    taken = f"{year}:{month:02d}:{day:02d} {hour:02d}:{minute:02d}:{second:02d}"
    exif.get_ifd(_EXIF_FOLDER)[_TAKEN] = taken
    file = io.BytesIO()
    stored.save(file, "JPEG", quality=int(rng.integers(55, 95)), exif=exif)
    return file.getvalue()
