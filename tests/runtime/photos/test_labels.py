"""The CSV file of what is known beside the pixels."""

from pathlib import Path

import pytest

from geograph_types import Distance
from geograph_types.errors import InputError
from geograph_types.photos.labels import read_labels

HEADER = (
    "photo,gridimage_id,types,grid,camera_easting,camera_northing,"
    "subject_easting,subject_northing,weight,split\n"
)


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_positions_tags_weight_and_split_are_read(tmp_path: Path) -> None:
    rows = (
        "\ufeff"
        + HEADER
        + 'a.jpg,7,"Geograph,Cross Grid",osgb,400999,300000,401299,300400,0.5,val\n'
        "b.jpg,8,Inside,irish,,,200000,200000,,\n"
    )
    records = read_labels(write(tmp_path / "labels.csv", rows))
    first = records[(tmp_path / "a.jpg").resolve()]
    assert (first.gridimage_id, first.types) == (7, "Geograph,Cross Grid")
    assert (first.distance.metres, first.distance.crosses_grid) == (500.0, True)
    assert (first.weight, first.split, first.error) == (0.5, "val", None)
    second = records[(tmp_path / "b.jpg").resolve()]
    assert (second.distance, second.weight, second.split) == (Distance.unknown(), 1.0, "tra")


def test_a_distance_column_is_enough_and_ids_come_from_names(tmp_path: Path) -> None:
    path = write(tmp_path / "labels.csv", "photo,distance\na.jpg,16\nb.jpg,Unknown\nc.jpg,\n")
    records = list(read_labels(path).values())
    assert [record.distance.metres for record in records] == [16.0, None, None]
    ids = [record.gridimage_id for record in records]
    again = [record.gridimage_id for record in read_labels(path).values()]
    assert len(set(ids)) == 3
    assert ids == again
    assert min(ids) >= 0


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.jpg,1,,osgb,9000000,1,2,2,,", "not on the osgb grid"),
        ("a.jpg,1,,mars,1,1,2,2,,", "cannot be read"),
        ("a.jpg,1,,osgb,1e5,1,2,2,,", "cannot be read"),
    ],
)
def test_a_position_that_cannot_be_costs_its_photo_only(
    tmp_path: Path, row: str, message: str
) -> None:
    path = write(tmp_path / "labels.csv", HEADER + row + "\nb.jpg,2,,osgb,1,1,1,2,,\n")
    bad, good = read_labels(path).values()
    assert message in (bad.error or "")
    assert bad.distance == Distance.unknown()
    assert (good.error, good.distance.metres) == (None, 1.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no column 'photo'"),
        ("name\na.jpg\n", "has no column 'photo' in its first line: add a line with"),
        ("photo;distance\na.jpg;16\n", "it has semicolons between its columns"),
        ("photo\tdistance\na.jpg\t16\n", "it has tabs between its columns"),
        ("photo\na.jpg\na.jpg\n", "line 3: a.jpg is named a second time"),
        ("photo,split\na.jpg,train\n", "split 'train' is not one of tra, val, tes"),
        ("photo,gridimage_id\na.jpg,seven\n", "invalid literal"),
        ("photo,weight\na.jpg,heavy\n", "could not convert"),
        ("photo,types\n,Inside\n", "column photo is empty"),
        ("photo,distance\na.jpg,1,200\n", "line 2 has more cells than"),
        ("photo,weight\na.jpg,-5\n", "weight -5.0 is not 0 or more"),
        ("photo,gridimage_id\na.jpg,99999999999999999999\n", "not a number of up to 63 bits"),
        ('photo\n"a.jpg\n', "is not a CSV file"),
    ],
)
def test_files_that_cannot_be_used_say_why(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_labels(write(tmp_path / "labels.csv", text))


def test_missing_and_binary_files_say_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_labels(tmp_path / "labels.csv")
    (tmp_path / "labels.csv").write_bytes(b"photo\n\xff\xfe\x00")
    with pytest.raises(InputError, match="not a CSV file in UTF-8"):
        read_labels(tmp_path / "labels.csv")
