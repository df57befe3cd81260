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
    return write_scenes(tmp_path_factory.mktemp("scenes"), PER_CLASS, seed=5).parent


def read_labels(folder: Path) -> list[dict[str, str]]:
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def class_of(photo: str) -> str:
    slug = photo.rsplit("-", 1)[0]
    return next(name for name in CLASSES if name.lower().replace(" ", "-") == slug)


def contents(folder: Path) -> dict[str, bytes]:
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
    for name in CLASSES:
        splits = Counter(row["split"] for row in rows if class_of(row["photo"]) == name)
        assert splits == {"tra": 8, "val": 1, "tes": 1}


def test_photos_are_upright_640_by_480_jpegs_with_exif(folder: Path) -> None:
    orientations = Counter[int]()
    for number, row in enumerate(read_labels(folder)):
        with Image.open(folder / row["photo"]) as photo:
            assert photo.format == "JPEG"
            exif = photo.getexif()
            assert exif[0x010F] and exif[0x0110]
            assert exif.get_ifd(0x8769)[0x9003].count(":") == 4
            orientations[exif[0x0112]] += 1
            assert photo.size == ((480, 640) if exif[0x0112] in (6, 8) else (640, 480))
            upright = ImageOps.exif_transpose(photo)
        assert upright.size == (640, 480)
        if exif[0x0112] == 1 and number >= len(CLASSES):
            continue  # a few unturned ones are enough
        expected = draw_scene(class_of(row["photo"]), scene_generator(5, number))
        difference = np.asarray(upright, np.float32) - np.asarray(expected, np.float32)
        assert np.abs(difference).mean() < 12, row["photo"]
    assert set(orientations) <= {1, 3, 6, 8}
    assert 0 < orientations.total() - orientations[1] < orientations.total() / 3


def test_a_stream_of_scenes_takes_the_classes_in_turn() -> None:
    second = list(draw_scenes(2, seed=5))[1]
    assert second == draw_scene(CLASSES[1], scene_generator(5, 1))


def test_same_seed_same_bytes_and_progress_sees_each_photo(tmp_path: Path) -> None:
    def watch(rows: Iterable[tuple[object, ...]]) -> Iterator[tuple[object, ...]]:
        for number, row in enumerate(rows, 1):
            assert len(list((tmp_path / "first").glob("*.jpg"))) == number
            yield row

    first, again, other = tmp_path / "first", tmp_path / "again", tmp_path / "other"
    write_scenes(first, 1, 3, watch, processes=1)
    write_scenes(again, 1, 3, processes=2)
    write_scenes(other, 1, 4, processes=1)
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


def test_bad_arguments_are_refused(folder: Path, tmp_path: Path) -> None:
    for per_class, seed in ((0, 1), (-1, 1), (142_858, 1), (1, -1)):
        with pytest.raises(InputError):
            write_scenes(tmp_path / "out", per_class, seed)
    assert not (tmp_path / "out").exists()
    file = min(folder.glob("*.jpg"))
    for place, words in ((file, "is a file"), (folder, "is not empty")):
        with pytest.raises(InputError, match=words):
            write_scenes(place, 1, 1)
    with pytest.raises(InputError, match="Cross Grid"):
        draw_scene("Cross Grid", np.random.default_rng(0))
    for count, seed in ((1, -1), (-1, 1)):
        with pytest.raises(InputError):
            next(draw_scenes(count, seed))


def mean_colour(scene: Image.Image) -> np.ndarray:
    return np.asarray(scene.reduce(8), np.float64).mean(axis=(0, 1))


def test_mean_colour_alone_does_not_separate_the_classes(folder: Path) -> None:
    paths = sorted(folder.glob("*.jpg"))
    baseline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    seen = [mean_colour(Image.open(path)) for path in paths]
    baseline.fit(seen, [CLASSES.index(class_of(path.name)) for path in paths])
    unseen = [mean_colour(scene) for scene in draw_scenes(35, seed=22)]
    found = baseline.predict(unseen)
    assert f1_score(np.arange(35) % len(CLASSES), found, average="macro") < 0.6
