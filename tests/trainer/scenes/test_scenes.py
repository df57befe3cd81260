"""Practice scenes: what is written, that it repeats, and that colour does not tell classes."""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from geograph_types.errors import InputError
from geograph_types.taxonomy import CLASSES, RAW_TAGS
from geograph_types_trainer.scenes import LABEL_COLUMNS, draw_scene, draw_scenes, write_scenes
from geograph_types_trainer.scenes.catalogue import scene_generator
from geograph_types_trainer.scenes.places import draw_place

PER_CLASS = 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of ten scenes of each class."""
    return write_scenes(tmp_path_factory.mktemp("scenes"), PER_CLASS, seed=5).parent


def read_labels(folder: Path) -> list[dict[str, str]]:
    """Read the labels of a folder of scenes."""
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def class_of(photo: str) -> str:
    """Return the class that the file name states."""
    slug = photo.rsplit("-", 1)[0]
    return next(name for name in CLASSES if name.lower().replace(" ", "-") == slug)


def contents(folder: Path) -> dict[str, bytes]:
    """Read every file of a folder, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_labels_name_every_photo_of_all_classes(folder: Path) -> None:
    rows = read_labels(folder)
    assert tuple(rows[0]) == LABEL_COLUMNS
    assert {row["photo"] for row in rows} == {path.name for path in folder.glob("*.jpg")}
    counts = Counter(class_of(row["photo"]) for row in rows)
    assert counts == dict.fromkeys(CLASSES, PER_CLASS)
    ids = [int(row["gridimage_id"]) for row in rows]
    assert ids == list(range(5_000_001, 5_000_001 + len(rows)))
    assert {row["grid"] for row in rows} == {"osgb", "irish"}
    assert {float(row["weight"]) for row in rows} == {1.0}


def test_every_class_has_all_three_splits(folder: Path) -> None:
    rows = read_labels(folder)
    for name in CLASSES:
        splits = Counter(row["split"] for row in rows if class_of(row["photo"]) == name)
        assert splits == {"tra": 8, "val": 1, "tes": 1}


def test_photos_are_upright_640_by_480_jpegs_with_exif(folder: Path) -> None:
    orientations = Counter[int]()
    for path in folder.glob("*.jpg"):
        with Image.open(path) as photo:
            assert photo.format == "JPEG"
            exif = photo.getexif()
            assert exif[0x010F] and exif[0x0110]
            assert exif.get_ifd(0x8769)[0x9003].count(":") == 4
            orientations[exif[0x0112]] += 1
            assert photo.size == ((480, 640) if exif[0x0112] in (6, 8) else (640, 480))
            upright = ImageOps.exif_transpose(photo)
            assert upright.size == (640, 480)
    assert set(orientations) <= {1, 3, 6, 8}
    assert 0 < orientations.total() - orientations[1] < orientations.total() / 3


def test_exif_orientation_turns_the_stored_picture_upright(folder: Path) -> None:
    for number, row in enumerate(read_labels(folder)):
        with Image.open(folder / row["photo"]) as photo:
            if photo.getexif()[0x0112] == 1 and number >= len(CLASSES):
                continue  # a few unturned ones are enough
            upright = ImageOps.exif_transpose(photo)
        expected = draw_scene(class_of(row["photo"]), scene_generator(5, number))
        difference = np.asarray(upright, np.float32) - np.asarray(expected, np.float32)
        assert np.abs(difference).mean() < 12, row["photo"]


def test_a_stream_of_scenes_takes_the_classes_in_turn() -> None:
    second = list(draw_scenes(2, seed=5))[1]
    expected = draw_scene(CLASSES[1], scene_generator(5, 1))
    assert second.tobytes() == expected.tobytes()


def test_same_seed_same_bytes_and_other_seed_other_bytes(tmp_path: Path) -> None:
    first, again, other = tmp_path / "first", tmp_path / "again", tmp_path / "other"
    for out, seed, processes in ((first, 3, 1), (again, 3, 2), (other, 4, 1)):
        write_scenes(out, 1, seed, processes=processes)
    assert contents(first) == contents(again)
    assert contents(first).keys() == contents(other).keys()
    assert all(contents(first)[name] != data for name, data in contents(other).items())


def test_places_and_tags_follow_the_labelling_rules() -> None:
    rng = np.random.default_rng(0)
    tags = Counter[str]()
    unknown = 0
    for name in CLASSES:
        for _ in range(400):
            place = draw_place(name, rng)
            tags[place.tags] += 1
            assert set(place.tags.split(",")) <= set(RAW_TAGS)
            if place.camera is None:
                unknown += 1
                assert name != "Cross Far"
                continue
            assert min(place.camera) > 0
            metres = np.hypot(*np.subtract(place.camera, place.subject))
            if name == "Cross Far":
                assert place.tags == "Cross Grid"
                assert metres > 256
            if place.tags == "Geograph,Cross Grid":
                spots = np.array([place.camera, place.subject])
                assert metres <= 256
                assert np.any(np.diff(spots // 1000, axis=0))
    assert set(tags) == {*RAW_TAGS, "Geograph,Cross Grid"}
    assert 0.2 < tags["From Above"] / (tags["From Above"] + tags["From Drone"]) < 0.4
    assert 0.08 < unknown / (6 * 400) < 0.16


def test_progress_sees_every_photo_once_it_is_there(tmp_path: Path) -> None:
    def watch(rows: Iterable[tuple[object, ...]]) -> Iterator[tuple[object, ...]]:
        for number, row in enumerate(rows, 1):
            assert len(list(tmp_path.glob("*.jpg"))) == number
            yield row

    write_scenes(tmp_path, 1, 0, watch)
    assert len(list(tmp_path.glob("*.jpg"))) == len(CLASSES)


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "aerial-0001.jpg").write_text("mine")
    with pytest.raises(InputError, match="is not empty"):
        write_scenes(tmp_path, 1, 0)
    assert (tmp_path / "aerial-0001.jpg").read_text() == "mine"


def test_bad_arguments_are_refused(tmp_path: Path) -> None:
    for per_class, seed in ((0, 1), (-1, 1), (142_858, 1), (1, -1)):
        with pytest.raises(InputError):
            write_scenes(tmp_path / "out", per_class, seed)
    assert not (tmp_path / "out").exists()
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(InputError, match="is a file"):
        write_scenes(file, 1, 1)
    with pytest.raises(InputError, match="Cross Grid"):
        draw_scene("Cross Grid", np.random.default_rng(0))
    with pytest.raises(InputError):
        next(draw_scenes(1, -1))
    with pytest.raises(InputError):
        next(draw_scenes(-1, 1))


def mean_colours(per_class: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean colour [N, 3] and class index [N] of drawn scenes."""
    scenes = draw_scenes(per_class * len(CLASSES), seed)
    colours = [np.asarray(scene.reduce(8), np.float64).mean(axis=(0, 1)) for scene in scenes]
    return np.array(colours), np.arange(len(colours)) % len(CLASSES)


def test_mean_colour_alone_does_not_separate_the_classes() -> None:
    colours, classes = mean_colours(14, seed=21)
    unseen, expected = mean_colours(7, seed=22)
    baseline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    baseline.fit(colours, classes)
    assert f1_score(expected, baseline.predict(unseen), average="macro") < 0.6
