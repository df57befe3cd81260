import unicodedata
from collections import Counter
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest

from geograph_types.photos.find import (
    NameFilter,
    PassedOver,
    Reason,
    comparable,
    find_photos,
)


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def found(folder: Path, names: NameFilter | None = None) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in find_photos([folder], names)]


def test_folders_are_searched_in_order_and_loops_of_links_are_not_entered(tmp_path: Path) -> None:
    touch(tmp_path, "b/2.JPG", "b/1.png", "a/3.webp", "notes.txt", "b/.thumbs.db", "photo.jpeg")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    assert found(tmp_path) == ["photo.jpeg", "a/3.webp", "b/1.png", "b/2.JPG"]
    named = [tmp_path / "notes.txt", tmp_path / "missing"]
    assert list(find_photos(named)) == named


def test_what_has_the_name_of_a_photo_and_is_none_is_listed(tmp_path: Path) -> None:
    touch(tmp_path, "full.jpg/1.jpg")
    (tmp_path / "empty.jpg").mkdir()
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "parent.jpg").symlink_to(tmp_path)
    assert sorted(found(tmp_path)) == ["empty.jpg", "full.jpg/1.jpg", "loop.png", "parent.jpg"]


def test_a_raw_file_stands_back_for_the_photo_beside_it(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg", "1.NEF", "2.cr2", "3.DNG", "3.Heic", "sub/1.orf", "4.txt", "4.arw")
    assert found(tmp_path) == ["1.jpg", "2.cr2", "3.Heic", "4.arw", "sub/1.orf"]
    assert list(find_photos([tmp_path / "1.NEF"])) == [tmp_path / "1.NEF"]


@pytest.mark.parametrize(
    "folder",
    [
        *("#recycle", "@Recycle", "RECYCLER", "Recycled", "$RECYCLE.BIN", "LOST.DIR", "found.000"),
        *("#snapshot", "@snapshots", "@Recently-Snapshot", "@GMT-2024.01.01-00.00.00"),
        *("@eaDir", "@tmp", "__MACOSX", "Photos.photoslibrary", "Old.aplibrary", "Cat.lrdata"),
        *("System Volume Information", "lost+found", "Network Trash Folder"),
    ],
)
def test_bins_snapshots_and_libraries_are_passed_over(tmp_path: Path, folder: str) -> None:
    touch(tmp_path, "a.jpg", f"{folder}/b.jpg", f"2024/{folder}/deep/c.jpg", "recycle/d.jpg")
    passed_over = PassedOver()
    listed = [path.name for path in find_photos([tmp_path], None, passed_over)]
    assert listed == ["a.jpg", "d.jpg"]
    assert passed_over.counts == {Reason.COPIES: 2}
    assert passed_over.first[Reason.COPIES].name == folder
    # One that is named itself is meant.
    assert found(tmp_path / folder) == ["b.jpg"]


def test_what_is_not_a_photo_is_counted_by_suffix(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "a.jpg.xmp", "b.XMP", "c.mov", "README", "._a.jpg", "a.nef", "e/d.mp4")
    touch(tmp_path, ".thumbnails/a.jpg")
    passed_over = PassedOver()
    assert len(list(find_photos([tmp_path], None, passed_over))) == 1
    assert passed_over.suffixes == Counter({".xmp": 2, ".mov": 1, "": 1, ".mp4": 1})
    assert passed_over.counts == {Reason.HIDDEN: 2, Reason.RAW: 1, Reason.OTHER: 5}


def test_formats_of_old_archives_and_of_stereo_cameras_are_photos(tmp_path: Path) -> None:
    names = ["a.gif", "b.BMP", "c.jp2", "d.j2k", "e.mpo", "f.JPS"]
    touch(tmp_path, *names)
    assert found(tmp_path) == names


@pytest.mark.parametrize(
    ("names", "count"),
    [
        (("P.RAW-01.COVER.jpg", "P.RAW-02.ORIGINAL.dng"), 1),
        (("P.RAW-01.MP.COVER.jpg", "P.RAW-02.ORIGINAL.dng"), 1),
        (("P.raw-01.cover.JPG", "P.raw-02.original.DNG"), 1),
        (("P.RAW-02.ORIGINAL.dng",), 1),
        (("P.jpg", "P.RAW-02.ORIGINAL.dng"), 1),
        (("P.1.jpg", "P.2.dng"), 2),
    ],
)
def test_a_pixels_pair_is_one(tmp_path: Path, names: tuple[str, ...], count: int) -> None:
    touch(tmp_path, *names)
    assert found(tmp_path) == list(names[:count])


PRIVATE = unicodedata.normalize("NFD", "Priv\N{LATIN SMALL LETTER E WITH ACUTE}")


@pytest.mark.parametrize(
    "pattern",
    [
        *("private", "private/", "./private", "./private/", "PRIVATE", "private/*.jpg"),
        *("{folder}/private", "{folder}/private/", "{folder}/private/*", "{absolute}/private"),
        *("{folder}/../{folder}/private", "priv*", "[pq]rivate"),
    ],
)
def test_left_out_folders(tmp_path: Path, pattern: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    touch(tmp_path, "h/a.jpg", "h/private/b.jpg", "h/privateer.jpg")
    given = Path("h")
    names = NameFilter(exclude=[pattern.format(folder=given, absolute=tmp_path / "h")])
    left = [path.name for path in find_photos([given], names)]
    assert left == (["a.jpg"] if pattern == "priv*" else ["a.jpg", "privateer.jpg"])
    assert names.unused() == ([], [])


def test_a_name_fits_at_any_depth_and_a_path_where_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    touch(tmp_path, "a.jpg", "private/b.jpg", "deep/private/c.jpg")
    for pattern, left in (("private", 1), ("private/", 1), ("./private", 2), ("*/private", 2)):
        assert len(list(find_photos([Path()], NameFilter(exclude=[pattern])))) == left


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("pattern", ["{}", "./{}", "{}/*"])
def test_names_are_compared_in_one_normal_form(tmp_path: Path, form: str, pattern: str) -> None:
    touch(tmp_path, "a.jpg", f"{PRIVATE}/b.jpg")
    written = unicodedata.normalize(form, pattern.format(PRIVATE))
    assert found(tmp_path, NameFilter(exclude=[written])) == ["a.jpg"]


@pytest.mark.parametrize("pattern", ["privat", "./b", "h/private", "*.png", "private/c.jpg"])
def test_a_pattern_that_fits_nothing_is_known(tmp_path: Path, pattern: str) -> None:
    touch(tmp_path, "a.jpg", "private/b.jpg")
    names = NameFilter(include=["*.jpg", pattern], exclude=[pattern])
    assert len(found(tmp_path, names)) == 2
    assert names.unused() == ([pattern], [pattern])


@pytest.mark.parametrize("pattern", ["*.mov", ".hidden", "#recycle", "*.jpg", "._*"])
def test_patterns_may_fit_what_is_passed_over(tmp_path: Path, pattern: str) -> None:
    touch(tmp_path, "a.jpg", "b.mov", ".hidden/c.jpg", "#recycle/d.jpg", "._a.jpg")
    names = NameFilter(exclude=[pattern])
    found(tmp_path, names)
    assert names.unused() == ([], [])


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"Private\2019", "private/2019"),
        ("private/2019/", "private/2019"),
        (r"C:\Photos\.\h\..\Private", "c:/photos/private"),
        ("c:/photos/PRIVATE", "c:/photos/private"),
        (r"\\NAS\Photos\Private", "//nas/photos/private"),
        ("//nas/photos/private", "//nas/photos/private"),
        (r"\\?\C:\Photos" + 30 * r"\very long", "//?/c:/photos" + 30 * "/very long"),
        (unicodedata.normalize("NFD", r"Fotos\Übung"), "fotos/übung"),
        ("CON.jpg.", "con.jpg."),  # no such file can be there; compared as it is written
    ],
)
def test_paths_of_windows_are_compared_as_it_means_them(written: str, meant: str) -> None:
    assert comparable(PureWindowsPath(written)) == meant


def test_a_backslash_is_part_of_a_name_elsewhere() -> None:
    assert comparable(PurePosixPath("a\\b/C")) == "a\\b/c"
