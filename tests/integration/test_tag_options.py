"""Options of `tag`: sidecars, positions in EXIF, patterns, lists, thresholds."""

import csv
import io
import json
import math
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from geograph_types.sidecars.document import OWN_NAMESPACE, Values, read_xmp
from geograph_types.sidecars.document import values as values_of
from geograph_types.sidecars.search import find_sidecars, sidecar_path

Run = Callable[..., subprocess.CompletedProcess[str]]
Tag = Callable[..., dict[str, dict[str, Any]]]

GPS_IFD = 0x8825
EXIF_IFD, SUBJECT_DISTANCE = 0x8769, 0x9206
CAMERA = {1: "N", 2: (51.0, 30.0, 0.0), 3: "W", 4: (0.0, 7.0, 0.0)}
SUBJECT = {0x13: "N", 0x14: (51.0, 31.0, 0.0), 0x15: "W", 0x16: (0.0, 7.0, 0.0)}
BOTH = CAMERA | SUBJECT
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


def draw(path: Path, seed: int = 1, gps: dict[int, Any] | None = None) -> Path:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    exif = Image.Exif()
    if gps:
        exif[GPS_IFD] = gps
    path.parent.mkdir(exist_ok=True, parents=True)
    Image.fromarray(coarse).resize((64, 48)).save(path, exif=exif)
    return path


def rows_by_name(lines: str) -> dict[str, dict[str, Any]]:
    return {Path(row["photo"]).name: row for row in map(json.loads, lines.splitlines())}


@pytest.fixture
def tagged(run: Run, tiny_bundle: Path) -> Tag:
    def tagged(*words: object) -> dict[str, dict[str, Any]]:
        return rows_by_name(run("tag", *words, "--bundle", tiny_bundle, status=0).stdout)

    return tagged


def test_sidecars_take_tags_and_undo_takes_them_back(
    run: Run, tiny_bundle: Path, tmp_path: Path
) -> None:
    folder, out = tmp_path / "photos", tmp_path / "tags.jsonl"
    photos = [draw(folder / f"{number}.jpg", number) for number in range(6)]
    (folder / "bad.jpg").write_bytes(b"no photo")
    sidecar_path(photos[0]).write_text(OTHERS)
    sidecar_path(photos[1]).write_text("no XMP at all")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    command = ["tag", folder, "--bundle", tiny_bundle, "--xmp"]

    shown = run(*command, "--dry-run", status=1)
    assert "  + dc:subject=" in shown.stdout
    assert "5 sidecars would be written, 1 failed" in shown.stderr
    assert {path: path.read_bytes() for path in folder.iterdir()} == before

    said = run(*command, "--out", out, status=1).stderr
    assert "5 sidecars written, 1 failed" in said
    assert said.count("error: sidecar") == 1
    for row in rows_by_name(out.read_text()).values():
        sidecar = sidecar_path(Path(row["photo"]))
        if row["status"] == "failed":
            assert not sidecar.exists()
        elif sidecar.read_text() != "no XMP at all":
            assert set(values(sidecar)["Xmp.dc.subject"][1:]) == set(row["tags"])
    assert values(sidecar_path(photos[0]))["Xmp.xmp.Rating"][1] == "4"
    assert "0 sidecars written, 1 failed" in run(*command, status=1).stderr

    undo = ["sidecars", "undo", folder]
    assert "  - dc:subject=" in run(*undo, "--dry-run", status=0).stdout
    assert "5 sidecars changed" in run(*undo, status=0).stderr
    assert values(sidecar_path(photos[0])) == {"Xmp.xmp.Rating": ("XmpText", "4")}
    del before[sidecar_path(photos[0])]
    after = {path: path.read_bytes() for path in folder.iterdir()}
    assert before.items() < after.items()
    assert len(after) == len(before) + 1


def test_a_sidecar_that_cannot_be_written_alone_is_status_1(
    run: Run, tiny_bundle: Path, tmp_path: Path
) -> None:
    sidecar_path(draw(tmp_path / "1.jpg")).write_text("no XMP at all")
    done = run("tag", tmp_path, "--bundle", tiny_bundle, "--xmp", status=1)
    assert "0 sidecars written, 1 failed" in done.stderr
    assert "1 photos tagged" in done.stderr.splitlines()


def test_tags_are_taken_back_where_the_photo_has_gone(
    run: Run, tagged: Tag, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    photos = [draw(folder / f"{number}.jpg", number) for number in range(4)]
    tagged(folder, "--xmp", "--threshold", "0.1")
    sidecars = [sidecar_path(photo) for photo in photos]
    photos[0].unlink()
    photos[1].rename(folder / "other.jpg")
    run("sidecars", "undo", photos[0], status=0)
    run("sidecars", "undo", sidecars[2], status=0)
    assert [sidecar.exists() for sidecar in sidecars] == [False, True, False, True]
    assert "2 sidecars changed" in run("sidecars", "undo", folder, status=0).stderr
    assert not any(sidecar.exists() for sidecar in sidecars)
    for missing in ([folder, folder / "typo.jpg"], [tmp_path / "typo"]):
        assert "neither" in run("sidecars", "undo", *missing, status=2).stderr


def test_a_best_guess_stays_out_of_sidecars_and_takes_older_tags_with_it(
    tagged: Tag, tmp_path: Path
) -> None:
    photo = draw(tmp_path / "1.jpg")
    assert not tagged(photo, "--xmp", "--threshold", "0.1")["1.jpg"]["low_confidence"]
    assert sidecar_path(photo).exists()
    row = tagged(photo, "--xmp", "--threshold", "1")["1.jpg"]
    assert row["low_confidence"]
    assert len(row["tags"]) == 1
    assert not sidecar_path(photo).exists()
    labels = tmp_path / "labels.csv"
    labels.write_text("photo,camera,subject\n1.jpg,TQ 299 804,TQ 329 804\n")
    tagged(photo, "--xmp", "--threshold", "1", "--labels", labels)
    # That the grid is crossed is geometry, and no guess.
    assert values(sidecar_path(photo))["Xmp.dc.subject"][1:] == ("Cross Grid",)


def test_the_threshold_is_that_of_all_classes(
    run: Run, tagged: Tag, tiny_bundle: Path, tmp_path: Path
) -> None:
    photo = draw(tmp_path / "1.jpg")
    for threshold in (0.0, 0.3, 0.6, 0.9):
        row = tagged(photo, "--threshold", threshold)["1.jpg"]
        expected = [name for name, p in row["probabilities"].items() if p >= threshold]
        named = ["Cross Grid" if name == "Cross Far" else name for name in expected]
        assert row["tags"] == named or row["low_confidence"]
    for wrong in ("1.5", "-1", "nan", "high"):
        run("tag", photo, "--bundle", tiny_bundle, "--threshold", wrong, status=2)


def test_photos_from_abroad_have_their_distance(tagged: Tag, tmp_path: Path) -> None:
    abroad = BOTH | {2: (45.0, 0.0, 0.0), 0x14: (45.0, 1.0, 0.0)}
    draw(tmp_path / "a.jpg", 1, abroad)
    draw(tmp_path / "b.jpg", 2, abroad | {1: "S", 0x13: "S"})
    for row in tagged(tmp_path).values():
        assert row["distance"]["metres"] == pytest.approx(MINUTE_METRES, rel=0.002)
        assert (row["distance"]["source"], row["cross_grid"]) == ("exif", "unknown")


def test_the_distance_at_which_the_camera_focused_is_used_last(tagged: Tag, tmp_path: Path) -> None:
    said = {4.5: 4.5, 0: None, 65535: None, 655.35: None, 2**32 - 1: None, 0.25: 0.25}
    for focus in said:
        for name, gps in (("focus", {}), ("positions", BOTH)):
            exif = Image.Exif()
            exif.get_ifd(EXIF_IFD)[SUBJECT_DISTANCE] = focus
            if gps:
                exif[GPS_IFD] = gps
            Image.new("RGB", (64, 48), "red").save(tmp_path / f"{name} {focus}.jpg", exif=exif)
    rows = tagged(tmp_path)
    for focus, metres in said.items():
        found = rows[f"focus {focus}.jpg"]["distance"]["metres"]
        assert found == (metres and pytest.approx(metres)), focus
        assert rows[f"positions {focus}.jpg"]["distance"]["basis"] == "positions"


def test_problems_with_exif_are_in_every_output_and_a_filter_of_the_page(
    run: Run, tiny_bundle: Path, tmp_path: Path
) -> None:
    folder, catalog, page = tmp_path / "photos", tmp_path / "c.catalog", tmp_path / "page.html"
    draw(folder / "good.jpg", 1, BOTH)
    bad = {
        "latitude": (BOTH | {2: (93.0, 0.0, 0.0)}, "GPS latitude is out of range"),
        "direction": (BOTH | {1: "X"}, "GPS latitude has no direction"),
        "unit": ({0x19: "Q", 0x1A: 2.5}, "has the unit 'Q'"),
        "both": (CAMERA | {1: "X", 0x19: "Q", 0x1A: 2.5}, "; EXIF GPS dest distance"),
    }
    for number, (name, (gps, _)) in enumerate(bad.items()):
        draw(folder / f"{name}.jpg", number, gps)
    command = ["tag", folder, "--bundle", tiny_bundle, "--catalog", catalog, "--report", page]
    for suffix in ("jsonl", "csv", "parquet"):
        files = [tmp_path / f"o.{suffix}", tmp_path / f"e.{suffix}"]
        run(*command, "--out", files[0], status=0)
        run("catalog", "export", catalog, "--out", files[1], status=0)
        for file in files:
            found = {Path(row["photo"]).stem: row.get("problems") for row in table_rows(file)}
            assert not found.pop("good")
            assert found.keys() == bad.keys()
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
            return list(csv.DictReader(path.read_text().splitlines()))
        case ".parquet":
            return list(pq.read_table(path).to_pylist())
        case _:
            return [json.loads(line) for line in path.read_text().splitlines()]


def test_what_is_passed_over_in_folders(run: Run, tiny_bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    for name in ("a.jfif", "b.jpe", "$RECYCLE.BIN/c.jpg", "lost+found/d.jpg", ".hidden/e.jpg"):
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        draw(tmp_path / "drawn.jpg", len(name)).rename(folder / name)
    (folder / "lost+found" / "d.jpg.xmp").write_text(OWN_NAMESPACE)
    assert list(find_sidecars([folder])) == []
    draw(tmp_path / "elsewhere" / "f.jpg")
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    done = run("tag", folder, "--bundle", tiny_bundle, status=0)
    assert rows_by_name(done.stdout).keys() == {"a.jfif", "b.jpe"}
    assert f"1 links to folders are not followed, such as {folder / 'link'}" in done.stderr
    assert "2 folders with bins, snapshots" in done.stderr


def test_a_name_that_macos_writes_in_pieces_finds_its_row(tagged: Tag, tmp_path: Path) -> None:
    name = unicodedata.normalize("NFD", "Café.jpg")
    draw(tmp_path / name)
    labels = tmp_path / "labels.csv"
    labels.write_text("photo,distance\nCafé.jpg,16\n", encoding="utf-8")
    assert tagged(tmp_path, "--labels", labels)[name]["distance"]["metres"] == 16


def test_positions_in_exif_are_used_where_the_labels_file_does_not_decide(
    run: Run, tiny_bundle: Path, tmp_path: Path
) -> None:
    gps: dict[str, dict[int, Any]] = {
        "exif": BOTH,
        "stated": {0x19: "K", 0x1A: 2.5},
        "none": {},
        "given": BOTH,
        "half": SUBJECT,
        "broken": BOTH | {2: (93.0, 0.0, 0.0)},
        "worse": BOTH | {2: (97.0, 0.0, 0.0)},
    }
    for number, (name, tags) in enumerate(gps.items()):
        draw(tmp_path / f"{name}.jpg", number, tags)
    labels = tmp_path / "labels.csv"
    labels.write_text('photo,distance,camera\ngiven.jpg,16,\nhalf.jpg,,"51.5,-0.116667"\n')
    catalog = ["--catalog", tmp_path / "c.catalog"]
    for remember in ([], catalog, catalog):
        command = ["tag", tmp_path, "--bundle", tiny_bundle, "--labels", labels, *remember]
        done = run(*command, status=0)
        rows = rows_by_name(done.stdout)
        far = {name.removesuffix(".jpg"): row["distance"] for name, row in rows.items()}
        assert far["exif"]["metres"] == pytest.approx(MINUTE_METRES, rel=0.002)
        assert (far["exif"]["basis"], far["exif"]["source"]) == ("positions", "exif")
        assert rows["exif.jpg"]["cross_grid"] == "crossed"
        assert (far["stated"]["metres"], far["stated"]["source"]) == (2500, "exif")
        assert far["none"]["source"] == "unknown"
        assert (far["given"]["metres"], far["given"]["source"]) == (16, "csv")
        assert far["half"]["metres"] == pytest.approx(MINUTE_METRES, rel=0.01)
        assert far["half"]["source"] == "csv_and_exif"
        assert far["broken"]["metres"] is None
        assert done.stderr.count("GPS latitude is out of range") == 1
        assert "(and 1 more photos); not used for the distance" in done.stderr


def test_a_dataset_too_takes_positions_from_exif(
    run: Run, tiny_bundle: Path, tmp_path: Path
) -> None:
    for number, name in enumerate(("exif", "given", "none")):
        draw(tmp_path / f"{name}.jpg", number, {} if name == "none" else BOTH)
    labels, out = tmp_path / "labels.csv", tmp_path / "data.parquet"
    rows = "exif.jpg,Inside,Unknown\ngiven.jpg,Inside,16\nnone.jpg,Inside,\n"
    labels.write_text(f"photo,types,distance\n{rows}")
    command = ["embed", tmp_path, "--labels", labels, "--bundle", tiny_bundle, "--out", out]
    run(*command, status=0)
    nearest = 2 ** int(math.log2(MINUTE_METRES))
    assert pq.read_table(out).column("distance").to_pylist() == [str(nearest), "16", "Unknown"]


def test_patterns_choose_among_a_folders_photos(
    run: Run, tagged: Tag, tiny_bundle: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "all"
    for name in ("a.jpg", "B.JPG", "c.png", "2024/d.jpg", "2024/raw/e.jpg", "private/f.jpg"):
        draw(folder / name)
    given = draw(tmp_path / "given.png")
    for options, expected in (
        (["--include", "*.jpg"], "a B d e f given"),
        (["--include", "2024/*"], "d e given"),
        (["--exclude", "private", "--exclude", "*.png"], "a B d e given"),
        (["--exclude", "2024/raw"], "a B c d f given"),
        (["--include", "*.JPG", "--include", "*.png", "--exclude", "[bd].*"], "a c e f given"),
    ):
        rows = tagged(folder, given, *options)
        found = sorted((Path(name).stem for name in rows), key=str.casefold)
        assert " ".join(found) == expected
    done = run("tag", folder, "--bundle", tiny_bundle, "--include", "*.tif", status=2)
    assert "no photos that fit '*.tif' in" in done.stderr


@pytest.mark.parametrize("separator", ["\n", "\r\n", "\0"])
@pytest.mark.parametrize("ends", [True, False])
def test_a_list_of_photos_on_standard_input(
    tagged: Tag, tmp_path: Path, separator: str, ends: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["b.jpg", "a\udce9.jpg", "with space.jpg", *["new\nline.jpg"] * (separator == "\0")]
    for name in (*names, "folder/z.jpg"):
        draw(tmp_path / name)
    listed = separator.join(str(tmp_path / name) for name in (*names, "folder"))
    data = (listed + separator * ends).encode(errors="surrogateescape")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
    rows = list(tagged("-"))
    assert len(rows) == len(names) + 1
    assert (rows[0], rows[-1]) == ("b.jpg", "z.jpg")


def test_an_empty_list_and_options_without_effect_are_errors(
    run: Run, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"\n\n")))
    words = {("-",): "no photos in -"}
    words |= {(tmp_path, option): "give both" for option in ("--dry-run", "--reread")}
    for given, message in words.items():
        done = run("tag", "--bundle", tiny_bundle, *given, status=2)
        assert done.stdout == ""
        assert message in done.stderr


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
    draw(tmp_path / "p.jpg")
    program = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "from geograph_types.cli.main import main\n"
        f"sys.exit(main({arguments!r}))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True)
    assert done.returncode == 2, done.stderr
    assert f"pip install 'geograph-types[{extra}]'".encode() in done.stderr
