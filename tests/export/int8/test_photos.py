from pathlib import Path

import pytest

from geograph_types.cli.main import main
from geograph_types.errors import InputError
from geograph_types_export.int8.photos import FEWEST, MOST, photos_in
from geograph_types_trainer.scenes import draw_scenes


def fill(folder: Path, count: int) -> None:
    image = next(iter(draw_scenes(7, 5))).resize((320, 240))
    for number in range(count):
        place = folder / f"part{number % 3}"
        place.mkdir(parents=True, exist_ok=True)
        image.save(place / f"{number:04}.jpg")


def test_photos_of_all_subfolders_are_shared_out_and_others_left_out(tmp_path: Path) -> None:
    fill(tmp_path, FEWEST)
    (tmp_path / "notes.txt").write_text("no photo")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    photos = photos_in(tmp_path)
    assert (len(photos.fitted), len(photos.held_out), photos.left_out) == (16, 16, 1)
    assert photos.fitted.shape[1:] == (224, 224, 3)
    assert photos.name == "32 photos given by the user, half of them held out"


def test_of_many_some_are_taken_from_everywhere_and_of_pairs_the_jpeg(tmp_path: Path) -> None:
    fill(tmp_path, MOST + 44)
    for photo in list(tmp_path.rglob("*.jpg")):
        photo.with_suffix(".CR2").write_bytes(b"sensor data")
    photos = photos_in(tmp_path)
    assert FEWEST <= len(photos.fitted) + len(photos.held_out) <= MOST
    assert photos.left_out == 0


def test_too_few_photos_are_an_error(tmp_path: Path) -> None:
    fill(tmp_path, FEWEST - 1)
    with pytest.raises(InputError, match="give at least 32, or leave --calibration out"):
        photos_in(tmp_path)


def test_calibration_belongs_to_int8(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["export", "encoder", "--weights", "random:0", "--calibration", str(tmp_path)]
    assert main([*words, "--bundle", str(tmp_path / "b")]) == 2
    assert "--calibration goes with --precision int8" in capsys.readouterr().err
