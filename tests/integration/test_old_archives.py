"""Drives as a NAS, a Mac and Windows leave them after many years: no file is ignored silently."""

import json
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from geograph_types.cli.main import main

PHOTOS = """
Camera/IMG_1.jpg Camera/IMG_2.JPG Camera/IMG_3.Tiff Camera/stereo.MPO Übung/Hütte.JPG
2004~Urlaub/DSCF0001.jpeg 2004~Urlaub/scan.bmp 2004~Urlaub/anim.GIF recycle/not~a~bin.png
Pixel/P.RAW-01.COVER.jpg
"""
PASSED_OVER = """
._IMG_1.jpg Camera/._IMG_1.jpg .DS_Store .Trashes/501/gone.jpg .Spotlight-V100/x .@__thumb/a.jpg
2004~Urlaub/.picasaoriginals/DSCF0001.jpeg Camera/@eaDir/IMG_1.jpg/SYNOPHOTO_THUMB_XL.jpg
#recycle/gone.jpg @Recycle/gone.jpg RECYCLER/S-1-5/gone.jpg $RECYCLE.BIN/$RA1.jpg
#snapshot/2024/Camera/IMG_1.jpg Bilder.photoslibrary/originals/0/a.jpg Bilder.photoslibrary/b.jpg
Alt.aplibrary/a.jpg Katalog~Previews.lrdata/a.jpg __MACOSX/._a.jpg Network~Trash~Folder/a.jpg
System~Volume~Information/a.jpg lost+found/#1.jpg FOUND.000/FILE0000.jpg
Camera/IMG_1.NEF Pixel/P.RAW-02.ORIGINAL.dng Camera/IMG_1.jpg.xmp Camera/IMG_2.AAE Camera/MVI.MOV
2004~Urlaub/Thumbs.db 2004~Urlaub/desktop.ini Icon README
"""
PRIVATE = ["Privé/a.jpg", "Privé/tief/b.jpg"]

NEAR, FAR = 500, 1200
LABELS = {
    "plain": "photo,distance\nCamera/IMG_1.jpg,500\nÜbung/Hütte.JPG,1200\n",
    "capitals": "Photo, Distance \nCamera/IMG_1.jpg, 500\nÜbung/Hütte.JPG, 1200\n",
    "semicolons": "photo;distance\r\nCamera/IMG_1.jpg;500,0\r\nÜbung/Hütte.JPG;1200,0\r\n",
    "tabs": "PHOTO\tDISTANCE\nCamera/IMG_1.jpg\t500\nÜbung/Hütte.JPG\t1200\n",
    "sep": "sep=;\nphoto;distance\nCamera/IMG_1.jpg;500\nÜbung/Hütte.JPG;1200\n",
    "units": "photo,distance\nCamera/IMG_1.jpg,500 m\nÜbung/Hütte.JPG,1.2 km\n",
    "quoted": '"photo","distance"\n"Camera/IMG_1.jpg","500"\n"Übung/Hütte.JPG","1200"\n',
    "empty rows": "\nphoto,distance,\nCamera/IMG_1.jpg,500,\nÜbung/Hütte.JPG,1200,\n,,\n\n",
    "Windows": "photo,distance\nCamera\\IMG_1.jpg,500\n.\\Übung\\Hütte.JPG,1200\n",
    "dots": "photo,distance\n./Camera/IMG_1.jpg,500\nÜbung/../Übung/Hütte.JPG,1200\n",
    "absolute": "photo,distance\n{root}/Camera/IMG_1.jpg,500\n{root}/Übung/Hütte.JPG,1200\n",
    "order": "types,distance,photo\nInside,500,Camera/IMG_1.jpg\n,1200,Übung/Hütte.JPG\n",
    "grid references": (
        "photo,camera,subject\nCamera/IMG_1.jpg,TQ 29900 80400,TQ3020080800\n"
        "Übung/Hütte.JPG,tq 30000 80000,TQ 31200 80000\n"
    ),
    "other case": (
        "photo,Camera Easting,Camera Northing,SUBJECT_EASTING,subject-northing,Grid\n"
        "Camera/IMG_1.jpg,529900.0,180400,530200,180800,OSGB36\n"
        "Übung/Hütte.JPG,530000,180000,531200,180000,osgb\n"
    ),
    "metres": (
        "photo;camera;subject\nCamera/IMG_1.jpg;529900 180400;530200 180800\n"
        "Übung/Hütte.JPG;530000, 180000;531200, 180000\n"
    ),
    "degrees": (
        "photo,camera_latitude,camera_longitude,subject_latitude,subject_longitude\n"
        "Camera/IMG_1.jpg,51.50000,-0.10000,51.504494,-0.10000\nÜbung/Hütte.JPG,51.50000,-0.10000,51.510785,-0.10000\n"
    ),
    "pairs": (
        'photo,camera,subject\nCamera/IMG_1.jpg,"51.50000, -0.10000","51 30 16.18 N, 0 6 0 W"\n'
        'Übung/Hütte.JPG,"51.50000 N, 0.10000 W","51.510785, -0.10000"\n'
    ),
    "remarks": "photo,distance,remark\nCamera/IMG_1.jpg,500,Hut\nÜbung/Hütte.JPG,1200,\n",
    "misspelt": "photo,distance,camera_lat\nCamera/IMG_1.jpg,500,51\nÜbung/Hütte.JPG,1200,\n",
    "dataset": "photo,distance,weight\nCamera/IMG_1.jpg,500,2\nÜbung/Hütte.JPG,1200,\n",
    "more": "photo,distance\nCamera/IMG_1.jpg,500\nÜbung/Hütte.JPG,1200\ngone.jpg,3\nx/b.jpg,4\n",
}
"""Two photos and their distances, as people write them."""
CODES = {"tabs": "utf-16", "semicolons": "utf-8-sig"}
NAMED = {
    "remarks": "the column 'remark' of",
    "misspelt": "the column 'camera_lat' of {file} is not used: is camera_latitude meant?",
    "dataset": "the column 'weight' of {file} is not used here",
    "more": "2 rows of {file} name no photo here, such as",
}
"""What is said of a file beside the photos that it does not name."""


def names(text: str) -> list[str]:
    return [name.replace("~", " ") for name in text.split()]


def in_pieces(name: str) -> str:
    return unicodedata.normalize("NFD", name)


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The drive; names with accents are as macOS writes them."""
    root = tmp_path_factory.mktemp("nas") / "volume"
    drawn = root.parent / "drawn"
    for number, name in enumerate([*names(PHOTOS), *names(PASSED_OVER), *PRIVATE]):
        path = root / in_pieces(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = np.random.default_rng(number).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        kind = {".tiff": "TIFF", ".bmp": "BMP", ".gif": "GIF", ".png": "PNG"}
        picture = Image.fromarray(coarse).resize((64, 48))
        picture.save(drawn, kind.get(path.suffix.casefold(), "JPEG"))
        drawn.rename(path)
    (root / "Alle Fotos").symlink_to(root / "Camera")
    for name, text in LABELS.items():
        data = text.format(root=root).encode(CODES.get(name, "utf-8"))
        (root / f"{name}.csv").write_bytes(data)
    return root


def left_over(root: Path, used: set[str], said: str) -> Iterator[str]:
    """List the files that were neither used nor listed, by themselves or with their folder."""
    listed = set(re.findall(r"^passed over (.*): [^:]*$", said, re.MULTILINE))
    for path in root.rglob("*"):
        known = {str(one) for one in (path, *path.parents)} & listed
        if (path.is_file() or path.is_symlink()) and str(path) not in used and not known:
            yield str(path)


def test_only_photos_are_tagged_and_nothing_is_ignored_silently(
    tiny_bundle: Path, volume: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    private = unicodedata.normalize("NFC", str(volume / "Privé"))
    command = ["tag", str(volume), "--bundle", str(tiny_bundle), "--exclude", private]
    assert main([*command, "--verbose"]) == 0
    out, said = capsys.readouterr()
    used = {json.loads(line)["photo"] for line in out.splitlines()}
    assert used == {str(volume / in_pieces(name)) for name in names(PHOTOS)}
    assert list(left_over(volume, used, said)) == []
    for part in (
        "1 links to folders are not followed, such as",
        "14 folders with bins, snapshots, thumbnails or libraries are not searched, such as",
        f"{len(LABELS)} .csv, 2 without suffix, 1 .",
        "2 RAW files beside their photos; 7 hidden; 1 excluded",
        f"{len(names(PHOTOS))} photos tagged",
    ):
        assert part in said, said
    for wrong in ("privat", f"{volume}/none", "./Camera/IMG_9.jpg"):
        assert main([*command, "--exclude", wrong]) == 2
        assert f"--exclude '{wrong}' fits nothing in" in capsys.readouterr().err
    assert main([*command, "--include", "*.jpg", "--include", "*.jxl"]) == 0
    said = capsys.readouterr().err
    assert "there are no photos that fit '*.jxl'" in said
    assert "passed over /" not in said
    assert "1 excluded; 6 not included" in said


def test_every_labels_file_says_the_same(
    tiny_bundle: Path, volume: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["tag", str(volume), "--bundle", str(tiny_bundle), "--exclude", "privé", "--verbose"]
    command += ["--catalog", str(tmp_path / "c.catalog"), "--labels"]
    for name in LABELS:
        file = volume / f"{name}.csv"
        assert main([*command, str(file)]) == 0
        out, said = capsys.readouterr()
        rows = [json.loads(line) for line in out.splitlines()]
        metres = {Path(row["photo"]).name: row["distance"]["metres"] for row in rows}
        assert metres.pop("IMG_1.jpg") == pytest.approx(NEAR, rel=0.01), name
        assert metres.pop(in_pieces("Hütte.JPG")) == pytest.approx(FAR, rel=0.01), name
        assert set(metres.values()) == {None}
        notes = [line for line in said.splitlines() if str(file) in line and "passed" not in line]
        missing, *others = sorted(notes, key=lambda line: "photos are not in" not in line)
        assert f"{len(metres)} of {len(names(PHOTOS))} photos are not in {file}, such as" in missing
        expected = [NAMED[name].format(file=file)] if name in NAMED else []
        assert len(others) == len(expected), said
        assert all(part in line for part, line in zip(expected, others, strict=True))


def test_datasets_and_archives_pass_over_the_same(
    tiny_bundle: Path, volume: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels, data, shards = volume / "order.csv", tmp_path / "data.parquet", tmp_path / "shards"
    common = ["--bundle", str(tiny_bundle), "--verbose", "--labels", str(labels)]
    # One of the two photos has no tag, which makes it a failure that is named.
    assert main(["embed", str(volume), *common, "--out", str(data)]) == 1
    said = capsys.readouterr().err
    assert pq.read_table(data).num_rows == 1
    named = {str(volume / in_pieces(name)) for name in ("Camera/IMG_1.jpg", "Übung/Hütte.JPG")}
    assert list(left_over(volume, named, said)) == []
    assert "the labels file has no tag for it" in said

    archive = ["archive", "run", "--input", str(volume), "--output", str(shards)]
    assert main([*archive, *common, "--threads-per-actor", "1"]) == 0
    said = capsys.readouterr().err
    found = {
        row["photo"] for path in shards.glob("*.parquet") for row in pq.read_table(path).to_pylist()
    }
    assert found == {in_pieces(name) for name in (*names(PHOTOS), *PRIVATE)}
    assert list(left_over(volume, {str(volume / name) for name in found}, said)) == []
    assert "2 RAW files beside their photos; 7 hidden" in said
