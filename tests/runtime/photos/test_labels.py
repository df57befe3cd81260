from pathlib import Path

import pytest

from geograph_types import Distance
from geograph_types.errors import InputError
from geograph_types.photos.labels import PhotoLabels, read_labels

HEADER = (
    "photo,gridimage_id,types,grid,camera_easting,camera_northing,"
    "subject_easting,subject_northing,weight,split\n"
)
ON_GRID = ",grid,camera_easting,camera_northing"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "labels.csv"


def written(path: Path, text: str) -> list[PhotoLabels]:
    path.write_text(text, encoding="utf-8")
    return list(read_labels(path).values())


def test_positions_tags_weight_and_split_are_read(path: Path) -> None:
    rows = (
        'a.jpg,7,"Geograph,Cross Grid",osgb,400999,300000,401299,300400,0.5,val\n'
        "b.jpg,8,Inside,irish,,,200000,200000,,\n"
    )
    first, second = written(path, "\ufeff" + HEADER + rows)
    assert [photo.name for photo in read_labels(path)] == ["a.jpg", "b.jpg"]
    assert (first.gridimage_id, first.types) == (7, "Geograph,Cross Grid")
    assert (first.distance.metres, first.distance.crosses_grid) == (500.0, True)
    assert (first.weight, first.split, first.error) == (0.5, "val", None)
    assert (second.distance, second.weight, second.split) == (Distance.unknown(), 1.0, "tra")


def test_a_distance_column_is_enough_and_ids_come_from_names(path: Path) -> None:
    records = written(path, "photo,distance\na.jpg,16\nb.jpg,Unknown\nc.jpg,\n")
    assert [record.distance.metres for record in records] == [16.0, None, None]
    ids = [record.gridimage_id for record in records]
    assert len(set(ids)) == 3
    assert ids == [record.gridimage_id for record in read_labels(path).values()]
    assert min(ids) >= 0


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.jpg,1,,osgb,9000000,1,2,2,,", "not on the osgb grid"),
        ("a.jpg,1,,mars,1,1,2,2,,", "'mars' is not the name of a grid"),
        ("a.jpg,1,,osgb,1e5,1,2,2,,", "cannot be read"),
    ],
)
def test_a_bad_position_costs_its_photo_only(path: Path, row: str, message: str) -> None:
    bad, good = written(path, HEADER + row + "\nb.jpg,2,,osgb,1,1,1,2,,\n")
    assert message in (bad.error or "")
    assert bad.distance == Distance.unknown()
    assert (good.error, good.distance.metres) == (None, 1.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no column 'photo'"),
        ("name\na.jpg\n", "has no column 'photo' in its first line: add a line with"),
        ("photo\na.jpg\na.jpg\n", "line 3: a.jpg is named a second time"),
        ("photo,split\na.jpg,train\n", "split 'train' is not one of tra, val, tes"),
        ("photo,gridimage_id\na.jpg,seven\n", "gridimage_id 'seven' is not a number"),
        ("photo,weight\na.jpg,heavy\n", "weight 'heavy' is not a number"),
        ("photo,types\n,Inside\n", "column photo is empty"),
        ("Photo, photo\na.jpg,b.jpg\n", "has the column 'photo' twice"),
        ("photo,distance,DISTANCE\na.jpg,1,2\n", "has the column 'distance' twice"),
        ("photo,grid,camera_easting\na.jpg,osgb,1\n", "and no camera_northing: add it"),
        ("photo,subject_longitude\na.jpg,1\n", "and no subject_latitude: add it"),
        ("photo,distance\na.jpg,1,200\n", "line 2 has more cells than"),
        ("photo,weight\na.jpg,-5\n", "weight -5.0 is not 0 or more"),
        ("photo,gridimage_id\na.jpg,99999999999999999999\n", "not a number of up to 63 bits"),
        ('photo\n"a.jpg\n', "is not a CSV file"),
    ],
)
def test_files_that_cannot_be_used_say_why(path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        written(path, text)


def test_missing_and_binary_files_say_so(path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_labels(path)
    for data in (b"photo\n\xff\xfe\x00", b"photo\na\0.jpg\n", "photo\na\n".encode("utf-16-le")):
        path.write_bytes(data)
        with pytest.raises(InputError, match="not a CSV file in UTF-8 or UTF-16"):
            read_labels(path)
    assert len(written(path, "photo\nfolder\\" + "a" * 999)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "photo,distance\n001.jpg,16.5\n",
        "photo, Distance\n001.jpg, 16.5\n",
        "Photo;Distance\r\n001.jpg;16,5\r\n",
        "PHOTO\tDISTANCE\n001.jpg\t16,5 m\n",
        "sep=;\nphoto;distance\n001.jpg;16,5\n",
        "sep=,\nphoto,distance\n001.jpg,16.5\n",
        '"sep=|"\nphoto|distance\n001.jpg|16.5\n',
        "photo,distance\n001.jpg,16.5\n,\n,,\n\n",
        "\n\nphoto,distance,\n001.jpg,16.5,\n",
        "photo,distance\n.\\001.jpg,16.5\n",
        "photo,distance\nsub\\..\\001.jpg,0.0165 km\n",
    ],
)
@pytest.mark.parametrize("code", ["utf-8", "utf-8-sig", "utf-16"])
def test_labels_as_spreadsheets_and_people_write_them(path: Path, text: str, code: str) -> None:
    path.write_bytes(text.encode(code))
    said: list[str] = []
    ((photo, row),) = read_labels(path, said.append).items()
    assert photo == path.with_name("001.jpg").resolve()
    assert row.distance.metres == 16.5
    assert said == []


@pytest.mark.parametrize(
    ("column", "advice"),
    [
        ("camera_lat", "is camera_latitude meant?"),
        ("dist", "is distance meant?"),
        ("gridimageid", "is gridimage_id meant?"),
        ("Subject Eastings", "is subject_easting meant?"),
        ("zzz", "known are photo, "),
    ],
)
def test_a_column_that_is_not_known_is_named_once(path: Path, column: str, advice: str) -> None:
    path.write_text(f"photo,{column}\na.jpg,1\nb.jpg,2\n")
    said: list[str] = []
    assert len(read_labels(path, said.append)) == 2
    assert len(said) == 1
    assert advice in said[0]


@pytest.mark.parametrize(
    ("columns", "row", "metres", "error"),
    [
        (",Grid,Camera Easting,camera northing", "OSGB36,529900.0,180400", 500, None),
        (ON_GRID, "British,529900,180400.9", 500, None),
        (ON_GRID, "osgb,529900,", None, "easting or northing"),
        (ON_GRID, "osgb,0,0", None, None),
        (ON_GRID, ",529900,180400", None, "add a column 'grid'"),
        (",camera_latitude,camera_longitude", "51.50775,", None, "latitude or longitude"),
        (",camera_latitude,camera_longitude", "51.50775 N,\N{MINUS SIGN}0.12794", 423, None),
        (",camera", "529900 180400", 500, None),
        (",camera,distance", "TQ 299 804,1.2 km", 1200, None),
        (",camera,distance", 'TQ 299 804,"1,200"', None, "1.200 and as 1200"),
        (",camera,distance", "TQ 299 804,-5", None, "-5.0 is not a distance"),
    ],
)
def test_cells_are_read_or_cost_their_photo_with_a_reason(
    path: Path, columns: str, row: str, metres: float | None, error: str | None
) -> None:
    (found,) = written(path, f"photo,subject{columns}\na.jpg,TQ 302 808,{row}\n")
    assert found.distance.metres == pytest.approx(metres, abs=5)
    assert (error is None) == (found.error is None)
    assert (error or "") in (found.error or "")


@pytest.mark.parametrize("text", ["7", "7.0", "7,0"])
def test_ids_may_have_been_numbers_of_a_spreadsheet(path: Path, text: str) -> None:
    (found,) = written(path, f"photo;gridimage_id;weight\na.jpg;{text};0,5\n")
    assert (found.gridimage_id, found.weight) == (7, 0.5)


def test_a_name_with_a_backslash_is_that_file_if_it_is_there(path: Path) -> None:
    path.with_name("a\\b.jpg").touch()
    path.write_text("photo,distance\na\\b.jpg,1\n")
    assert set(read_labels(path)) == {path.resolve().with_name("a\\b.jpg")}
