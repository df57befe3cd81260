"""Options of `tag`: sidecars, positions in EXIF, patterns, lists, thresholds."""

import csv
import io
import json
import math
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from geograph_types.cli.main import main
from geograph_types.sidecars.document import OWN_NAMESPACE, Values, read_xmp
from geograph_types.sidecars.document import values as values_of
from geograph_types.sidecars.search import find_sidecars, sidecar_path

GPS_IFD = 0x8825
EXIF_IFD, SUBJECT_DISTANCE = 0x8769, 0x9206
CAMERA = {1: "N", 2: (51.0, 30.0, 0.0), 3: "W", 4: (0.0, 7.0, 0.0)}
SUBJECT = {0x13: "N", 0x14: (51.0, 31.0, 0.0), 0x15: "W", 0x16: (0.0, 7.0, 0.0)}
MINUTE_METRES = 1854
"""Length of a minute of latitude at 51.5 degrees north. Source: WGS84, 111.26 km a degree."""

OTHERS = """<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4"/>
 </rdf:RDF>
</x:xmpmeta>
"""


def values(sidecar: Path) -> Values:
    return values_of(read_xmp(sidecar.read_bytes()))


def draw(path: Path, seed: int, gps: dict[int, Any] | None = None) -> Path:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    exif = Image.Exif()
    if gps:
        exif[GPS_IFD] = gps
    path.parent.mkdir(exist_ok=True, parents=True)
    Image.fromarray(coarse).resize((64, 48)).save(path, exif=exif)
    return path


def tagged(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, dict[str, Any]]:
    """Run `tag`, and give its rows by name."""
    capsys.readouterr()
    assert main(["tag", *map(str, arguments)]) == 0
    lines = capsys.readouterr().out.splitlines()
    return {Path(row["photo"]).name: row for row in map(json.loads, lines)}


def test_sidecars_take_tags_and_undo_takes_them_back(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = [draw(tmp_path / "photos" / f"{number}.jpg", number) for number in range(6)]
    (tmp_path / "photos" / "bad.jpg").write_bytes(b"no photo")
    sidecar_path(photos[0]).write_text(OTHERS)
    sidecar_path(photos[1]).write_text("no XMP at all")
    before = {path: path.read_bytes() for path in photos[0].parent.iterdir()}
    command = ["tag", str(photos[0].parent), "--bundle", str(tiny_bundle), "--xmp"]

    assert main([*command, "--dry-run"]) == 1
    shown = capsys.readouterr()
    assert "  + dc:subject=" in shown.out
    assert "5 sidecars would be written, 1 failed" in shown.err
    assert {path: path.read_bytes() for path in photos[0].parent.iterdir()} == before

    out = tmp_path / "tags.jsonl"
    assert main([*command, "--out", str(out)]) == 1
    said = capsys.readouterr().err
    assert "5 sidecars written, 1 failed" in said
    assert said.count("error: sidecar") == 1
    for row in map(json.loads, out.read_text().splitlines()):
        sidecar = sidecar_path(Path(row["photo"]))
        if row["status"] == "failed":
            assert not sidecar.exists()
        elif sidecar.read_text() != "no XMP at all":
            assert set(values(sidecar)["Xmp.dc.subject"][1:]) == set(row["tags"])
    assert values(sidecar_path(photos[0]))["Xmp.xmp.Rating"][1] == "4"
    assert main(command) == 1
    assert "0 sidecars written, 1 failed" in capsys.readouterr().err

    undo = ["sidecars", "undo", str(photos[0].parent)]
    assert main([*undo, "--dry-run"]) == 0
    assert "  - dc:subject=" in capsys.readouterr().out
    assert main(undo) == 0
    assert "5 sidecars changed" in capsys.readouterr().err
    assert values(sidecar_path(photos[0])) == {"Xmp.xmp.Rating": ("XmpText", "4")}
    del before[sidecar_path(photos[0])]
    after = {path: path.read_bytes() for path in photos[0].parent.iterdir()}
    assert before.items() < after.items()
    assert len(after) == len(before) + 1


def test_tags_are_taken_back_where_the_photo_has_gone(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "photos"
    photos = [draw(folder / f"{number}.jpg", number) for number in range(4)]
    tagged(capsys, folder, "--bundle", tiny_bundle, "--xmp", "--threshold", "0.1")
    sidecars = [sidecar_path(photo) for photo in photos]
    photos[0].unlink()
    photos[1].rename(folder / "other.jpg")
    assert main(["sidecars", "undo", str(photos[0])]) == 0
    assert main(["sidecars", "undo", str(sidecars[2])]) == 0
    assert [sidecar.exists() for sidecar in sidecars] == [False, True, False, True]
    assert main(["sidecars", "undo", str(folder)]) == 0
    assert "2 sidecars changed" in capsys.readouterr().err
    assert not any(sidecar.exists() for sidecar in sidecars)
    assert main(["sidecars", "undo", str(folder), str(folder / "typo.jpg")]) == 2
    assert "neither" in capsys.readouterr().err
    assert main(["sidecars", "undo", str(tmp_path / "typo")]) == 2
    assert "neither" in capsys.readouterr().err


def test_a_best_guess_stays_out_of_sidecars_and_takes_older_tags_with_it(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = draw(tmp_path / "1.jpg", 1)
    arguments = [photo, "--bundle", tiny_bundle, "--xmp"]
    assert not tagged(capsys, *arguments, "--threshold", "0.1")["1.jpg"]["low_confidence"]
    assert sidecar_path(photo).exists()
    row = tagged(capsys, *arguments, "--threshold", "1")["1.jpg"]
    assert row["low_confidence"]
    assert len(row["tags"]) == 1
    assert not sidecar_path(photo).exists()
    labels = tmp_path / "labels.csv"
    labels.write_text("photo,camera,subject\n1.jpg,TQ 299 804,TQ 329 804\n")
    tagged(capsys, *arguments, "--threshold", "1", "--labels", labels)
    # That the grid is crossed is geometry, and no guess.
    assert values(sidecar_path(photo))["Xmp.dc.subject"][1:] == ("Cross Grid",)


def test_the_threshold_is_that_of_all_classes(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = draw(tmp_path / "1.jpg", 1)
    for threshold in (0.0, 0.3, 0.6, 0.9):
        row = tagged(capsys, photo, "--bundle", tiny_bundle, "--threshold", threshold)["1.jpg"]
        expected = [name for name, p in row["probabilities"].items() if p >= threshold]
        named = ["Cross Grid" if name == "Cross Far" else name for name in expected]
        assert row["tags"] == named or row["low_confidence"]
    for wrong in ("1.5", "-1", "nan", "high"):
        command = ["tag", str(photo), "--bundle", str(tiny_bundle), "--threshold", wrong]
        assert main(command) == 2


def test_photos_from_abroad_have_their_distance(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    abroad = CAMERA | SUBJECT | {2: (45.0, 0.0, 0.0), 0x14: (45.0, 1.0, 0.0)}
    draw(tmp_path / "a.jpg", 1, abroad)
    draw(tmp_path / "b.jpg", 2, abroad | {1: "S", 0x13: "S"})
    for row in tagged(capsys, tmp_path, "--bundle", tiny_bundle).values():
        assert row["distance"]["metres"] == pytest.approx(MINUTE_METRES, rel=0.002)
        assert (row["distance"]["source"], row["cross_grid"]) == ("exif", "unknown")


@pytest.mark.parametrize(
    ("focus", "metres"),
    [(4.5, 4.5), (0, None), (65535, None), (655.35, None), (2**32 - 1, None), (0.25, 0.25)],
)
def test_the_distance_at_which_the_camera_focused_is_used_last(
    tiny_bundle: Path,
    tmp_path: Path,
    focus: float,
    metres: float | None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, gps in (("focus", {}), ("positions", CAMERA | SUBJECT)):
        exif = Image.Exif()
        exif.get_ifd(EXIF_IFD)[SUBJECT_DISTANCE] = focus
        if gps:
            exif[GPS_IFD] = gps
        Image.new("RGB", (64, 48), "red").save(tmp_path / f"{name}.jpg", exif=exif)
    rows = tagged(capsys, tmp_path, "--bundle", tiny_bundle)
    assert rows["focus.jpg"]["distance"]["metres"] == (metres and pytest.approx(metres))
    assert rows["positions.jpg"]["distance"]["basis"] == "positions"


def test_problems_with_exif_are_in_every_output_and_a_filter_of_the_page(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "photos"
    draw(folder / "good.jpg", 1, CAMERA | SUBJECT)
    bad = {
        "latitude": (CAMERA | SUBJECT | {2: (93.0, 0.0, 0.0)}, "GPS latitude is out of range"),
        "direction": (CAMERA | SUBJECT | {1: "X"}, "GPS latitude has no direction"),
        "unit": ({0x19: "Q", 0x1A: 2.5}, "has the unit 'Q'"),
        "both": (CAMERA | {1: "X", 0x19: "Q", 0x1A: 2.5}, "; EXIF GPS dest distance"),
    }
    for number, (name, (gps, _)) in enumerate(bad.items()):
        draw(folder / f"{name}.jpg", number, gps)
    labels = tmp_path / "labels.csv"
    labels.write_text("photo,distance\nphotos/unit.jpg,\n")
    common = ["tag", str(folder), "--bundle", str(tiny_bundle)]
    catalog = tmp_path / "c.catalog"
    for suffix in ("jsonl", "csv", "parquet"):
        out, page = tmp_path / f"o.{suffix}", tmp_path / "page.html"
        command = [*common, "--catalog", str(catalog), "--out", str(out), "--report", str(page)]
        assert main(command) == 0
        exported = tmp_path / f"e.{suffix}"
        assert main(["catalog", "export", str(catalog), "--out", str(exported)]) == 0
        for file in (out, exported):
            found = {Path(row["photo"]).stem: row.get("problems") for row in table_rows(file)}
            assert not found.pop("good")
            for name, problems in found.items():
                shown = "; ".join(problems) if isinstance(problems, list) else problems
                assert bad[name][1] in shown
    text = page.read_text()
    assert text.count(" data-problems=") == len(bad)
    assert '<option value="problems">' in text
    assert "GPS latitude is out of range" in text


def table_rows(path: Path) -> list[dict[str, Any]]:
    match path.suffix:
        case ".csv":
            with path.open(newline="") as stream:
                return list(csv.DictReader(stream))
        case ".parquet":
            return list(pq.read_table(path).to_pylist())
        case _:
            return [json.loads(line) for line in path.read_text().splitlines()]


def test_what_is_passed_over_in_folders(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "photos"
    for name in ("a.jfif", "b.jpe", "$RECYCLE.BIN/c.jpg", "lost+found/d.jpg", ".hidden/e.jpg"):
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        draw(tmp_path / "drawn.jpg", len(name)).rename(folder / name)
    (folder / "lost+found" / "d.jpg.xmp").write_text(OWN_NAMESPACE)
    assert list(find_sidecars([folder])) == []
    draw(tmp_path / "elsewhere" / "f.jpg", 6)
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    capsys.readouterr()
    assert main(["tag", str(folder), "--bundle", str(tiny_bundle)]) == 0
    out, said = capsys.readouterr()
    assert {Path(json.loads(line)["photo"]).name for line in out.splitlines()} == {
        "a.jfif",
        "b.jpe",
    }
    assert f"1 links to folders are not followed, such as {folder / 'link'}" in said


def test_a_name_that_macos_writes_in_pieces_finds_its_row(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = unicodedata.normalize("NFD", "Café.jpg")
    draw(tmp_path / name, 1)
    labels = tmp_path / "labels.csv"
    labels.write_text("photo,distance\nCafé.jpg,16\n", encoding="utf-8")
    row = tagged(capsys, tmp_path, "--bundle", tiny_bundle, "--labels", labels)[name]
    assert row["distance"]["metres"] == 16


def test_positions_in_exif_are_used_where_the_labels_file_does_not_decide(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, name in enumerate(("exif", "stated", "none", "given", "half", "broken", "worse")):
        gps: dict[str, dict[int, Any]] = {
            "none": {},
            "half": SUBJECT,
            "broken": CAMERA | SUBJECT | {2: (93.0, 0.0, 0.0)},
            "worse": CAMERA | SUBJECT | {2: (97.0, 0.0, 0.0)},
        }
        draw(tmp_path / f"{name}.jpg", number, gps.get(name, CAMERA | SUBJECT))
    draw(tmp_path / "stated.jpg", 1, {0x19: "K", 0x1A: 2.5})
    labels = tmp_path / "labels.csv"
    labels.write_text('photo,distance,camera\ngiven.jpg,16,\nhalf.jpg,,"51.5,-0.116667"\n')
    arguments = [tmp_path, "--bundle", tiny_bundle, "--labels", labels]
    catalog = ["--catalog", tmp_path / "c.catalog"]
    for remember in ([], catalog, catalog):
        capsys.readouterr()
        assert main(["tag", *map(str, [*arguments, *remember])]) == 0
        out, said = capsys.readouterr()
        rows = {Path(row["photo"]).stem: row for row in map(json.loads, out.splitlines())}
        far = {name: row["distance"] for name, row in rows.items()}
        assert far["exif"]["metres"] == pytest.approx(MINUTE_METRES, rel=0.002)
        assert (far["exif"]["basis"], far["exif"]["source"]) == ("positions", "exif")
        assert rows["exif"]["cross_grid"] == "crossed"
        assert (far["stated"]["metres"], far["stated"]["source"]) == (2500, "exif")
        assert far["none"]["source"] == "unknown"
        assert (far["given"]["metres"], far["given"]["source"]) == (16, "csv")
        assert far["half"]["metres"] == pytest.approx(MINUTE_METRES, rel=0.01)
        assert far["half"]["source"] == "csv_and_exif"
        assert far["broken"]["metres"] is None
        assert said.count("GPS latitude is out of range") == 1
        assert "(and 1 more photos); not used for the distance" in said


def test_a_dataset_too_takes_positions_from_exif(tiny_bundle: Path, tmp_path: Path) -> None:
    for number, name in enumerate(("exif", "given", "none")):
        draw(tmp_path / f"{name}.jpg", number, {} if name == "none" else CAMERA | SUBJECT)
    labels, out = tmp_path / "labels.csv", tmp_path / "data.parquet"
    rows = "exif.jpg,Inside,Unknown\ngiven.jpg,Inside,16\nnone.jpg,Inside,\n"
    labels.write_text(f"photo,types,distance\n{rows}")
    command = ["embed", tmp_path, "--labels", labels, "--bundle", tiny_bundle, "--out", out]
    assert main([str(word) for word in command]) == 0
    found = pq.read_table(out).column("distance").to_pylist()
    nearest = 2 ** int(math.log2(MINUTE_METRES))
    assert found == [str(nearest), "16", "Unknown"]


def test_patterns_choose_among_a_folders_photos(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "all"
    for number, name in enumerate(
        ("a.jpg", "B.JPG", "c.png", "2024/d.jpg", "2024/raw/e.jpg", "private/f.jpg")
    ):
        draw(folder / name, number)
    given = draw(tmp_path / "given.png", 9)
    for options, expected in (
        (["--include", "*.jpg"], "a B d e f given"),
        (["--include", "2024/*"], "d e given"),
        (["--exclude", "private", "--exclude", "*.png"], "a B d e given"),
        (["--exclude", "2024/raw"], "a B c d f given"),
        (["--include", "*.JPG", "--include", "*.png", "--exclude", "[bd].*"], "a c e f given"),
    ):
        rows = tagged(capsys, folder, given, "--bundle", tiny_bundle, *options)
        found = sorted((Path(name).stem for name in rows), key=str.casefold)
        assert " ".join(found) == expected
    command = ["tag", str(folder), "--bundle", str(tiny_bundle), "--include", "*.tif"]
    assert main(command) == 2
    assert "no photos that fit '*.tif' in" in capsys.readouterr().err


@pytest.mark.parametrize("separator", ["\n", "\r\n", "\0"])
def test_a_list_of_photos_on_standard_input(
    tiny_bundle: Path,
    tmp_path: Path,
    separator: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = ["b.jpg", "a\udce9.jpg", "with space.jpg", *["new\nline.jpg"] * (separator == "\0")]
    for number, name in enumerate(names):
        draw(tmp_path / name, number)
    draw(tmp_path / "folder" / "z.jpg", 5)
    listed = separator.join([*(str(tmp_path / name) for name in names), str(tmp_path / "folder")])
    data = io.BytesIO((listed + separator).encode(errors="surrogateescape"))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=data))
    rows = tagged(capsys, "-", "--bundle", tiny_bundle)
    assert len(rows) == len(names) + 1
    assert next(iter(rows)) == "b.jpg"
    assert list(rows)[-1] == "z.jpg"


def test_an_empty_list_and_options_without_effect_are_errors(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "geograph_types.cli", "tag", "--bundle", str(tiny_bundle)]
    done = subprocess.run([*command, "-"], input=b"\n\n", capture_output=True)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"no photos in -" in done.stderr
    done = subprocess.run([*command, str(tmp_path), "--dry-run"], capture_output=True)
    assert done.returncode == 2
    assert b"give both" in done.stderr


@pytest.mark.parametrize(
    ("module", "extra", "arguments"),
    [
        ("exiv2", "xmp", ["tag", "p.jpg", "--bundle", "bundle", "--xmp"]),
        ("exiv2", "xmp", ["sidecars", "undo", "p.jpg"]),
        ("pyarrow", "parquet", ["tag", "p.jpg", "--bundle", "bundle", "--out", "o.parquet"]),
    ],
)
def test_a_missing_extra_is_named_before_any_photo_is_opened(
    tiny_bundle: Path, tmp_path: Path, module: str, extra: str, arguments: list[str]
) -> None:
    shutil.copytree(tiny_bundle, tmp_path / "bundle")
    draw(tmp_path / "p.jpg", 1)
    program = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "from geograph_types.cli.main import main\n"
        f"sys.exit(main({arguments!r}))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True)
    assert done.returncode == 2, done.stderr
    assert f"pip install 'geograph-types[{extra}]'".encode() in done.stderr
