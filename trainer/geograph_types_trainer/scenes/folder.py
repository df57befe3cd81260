"""A folder of practice photos with their labels."""

import csv
import io
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from PIL import Image
from PIL.ExifTags import IFD, Base
from PIL.Image import Transpose

from geograph_types.errors import InputError
from geograph_types.files.atomic import new_file
from geograph_types.taxonomy import CLASSES
from geograph_types_trainer.scenes.catalogue import draw_scene, scene_generator
from geograph_types_trainer.scenes.places import draw_place

POSITIONS: Final = ("camera_easting", "camera_northing", "subject_easting", "subject_northing")
LABEL_COLUMNS: Final = ("photo", "gridimage_id", "types", "grid", *POSITIONS, "weight", "split")

TURNS: Final = {3: Transpose.ROTATE_180, 6: Transpose.ROTATE_90, 8: Transpose.ROTATE_270}
"""EXIF orientations, and how to turn the upright picture to store it so."""
TURNED: Final = 0.1  # share of photos that are upright only after EXIF is applied
IDS_PER_SEED: Final = 1_000_000

LabelRow: TypeAlias = tuple[object, ...]


def write_scenes(
    out: Path,
    per_class: int,
    seed: int,
    progress: Callable[[Iterable[LabelRow]], Iterable[LabelRow]] = iter,
    processes: int = 1,
) -> Path:
    """Draw labelled practice photos into a new folder and return the path of `labels.csv`.

    The photos are JPEG files of 640x480 pixels once EXIF orientation is applied; the same seed and
    number give the same files. The labels, with the columns `LABEL_COLUMNS`, are written last, so
    a folder that has them is complete. `progress` passes on each row of them, once its photo is
    written.
    """
    _check(out, per_class, seed)
    out.mkdir(parents=True, exist_ok=True)
    rows = list(progress(_rows(out, per_class, seed, processes)))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([LABEL_COLUMNS, *rows])
    labels = out / "labels.csv"
    with new_file(labels) as stream:
        stream.write(text.getvalue().encode())
    return labels


def _check(out: Path, per_class: int, seed: int) -> None:
    most = IDS_PER_SEED // len(CLASSES)
    if not 1 <= per_class <= most:
        raise InputError(f"{per_class} photos of each class: it must be from 1 to {most}")
    if seed < 0:
        raise InputError(f"seed is {seed}: it must be 0 or more")
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file: choose a folder to write the photos to")
    if out.exists() and any(out.iterdir()):
        raise InputError(f"{out} is not empty: choose a new folder, so that nothing is overwritten")


def _rows(out: Path, per_class: int, seed: int, processes: int) -> Iterator[LabelRow]:
    """Write the photos, and yield their labels in order."""
    write = partial(_write_photo, out, per_class, seed)
    numbers = range(per_class * len(CLASSES))
    if processes == 1:
        yield from map(write, numbers)
        return
    # The parent alone answers an interrupt.
    quiet = (signal.SIGINT, signal.SIG_IGN)
    with ProcessPoolExecutor(processes, get_context("spawn"), signal.signal, quiet) as pool:
        try:
            yield from pool.map(write, numbers)
        finally:
            pool.shutdown(cancel_futures=True)


def _write_photo(out: Path, per_class: int, seed: int, number: int) -> LabelRow:
    """Write one photo and return its row of labels."""
    turn, index = divmod(number, len(CLASSES))
    rng = scene_generator(seed, number)
    name = f"{CLASSES[index].lower().replace(' ', '-')}-{turn + 1:04d}.jpg"
    (out / name).write_bytes(_encode(draw_scene(CLASSES[index], rng), rng))
    place = draw_place(CLASSES[index], rng)
    split = _split(turn, per_class, seed, index)
    positions = (*(place.camera or ("", "")), *place.subject)
    return name, seed * IDS_PER_SEED + number + 1, place.tags, place.grid, *positions, 1.0, split


def _split(turn: int, per_class: int, seed: int, index: int) -> str:
    """Return the split of one photo: of each class, 80 % train, 10 % validate, 10 % test."""
    order = np.random.default_rng([seed, index, per_class]).permutation(per_class)
    tenth = per_class // 10
    return "val" if order[turn] < tenth else "tes" if order[turn] < 2 * tenth else "tra"


def _encode(picture: Image.Image, rng: np.random.Generator) -> bytes:
    """Store an upright picture as JPEG with EXIF, a few of them on their side or head."""
    orientation = int(rng.choice(list(TURNS))) if rng.uniform() < TURNED else 1
    stored = picture.transpose(TURNS[orientation]) if orientation in TURNS else picture
    exif = Image.Exif()
    exif[Base.Make], exif[Base.Model], exif[Base.Orientation] = "Practice", "Scene", orientation
    year, month, day = rng.integers((2005, 1, 1), (2025, 13, 29))
    hour, minute, second = rng.integers((7, 0, 0), (20, 60, 60))
    taken = f"{year}:{month:02d}:{day:02d} {hour:02d}:{minute:02d}:{second:02d}"
    exif.get_ifd(IFD.Exif)[Base.DateTimeOriginal] = taken
    file = io.BytesIO()
    stored.save(file, "JPEG", quality=int(rng.integers(55, 95)), exif=exif)
    return file.getvalue()
