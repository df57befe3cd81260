"""Photos are found once each and embedded in order, the bad ones costing themselves only."""

from pathlib import Path

import numpy as np

from geograph_types import TypeTagger
from geograph_types.errors import PhotoFault
from geograph_types.photos.embed import embed_photos
from geograph_types.photos.find import find_photos


def test_folders_are_searched_in_order_and_loops_of_links_are_not_entered(tmp_path: Path) -> None:
    for name in ("b/2.JPG", "b/1.png", "a/3.webp", "notes.txt", "b/.thumbs.db", "photo.jpeg"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    found = [path.relative_to(tmp_path).as_posix() for path in find_photos([tmp_path])]
    assert found == ["photo.jpeg", "a/3.webp", "b/1.png", "b/2.JPG"]
    named = [tmp_path / "notes.txt", tmp_path / "missing"]
    assert list(find_photos(named)) == named


def test_a_raw_file_stands_back_for_the_photo_beside_it(tmp_path: Path) -> None:
    for name in ("1.jpg", "1.NEF", "2.cr2", "3.DNG", "3.Heic", "sub/1.orf", "4.txt", "4.arw"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [path.relative_to(tmp_path).as_posix() for path in find_photos([tmp_path])]
    assert found == ["1.jpg", "2.cr2", "3.Heic", "4.arw", "sub/1.orf"]
    assert list(find_photos([tmp_path / "1.NEF"])) == [tmp_path / "1.NEF"]


def test_what_has_the_name_of_a_photo_and_is_none_is_listed(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").mkdir()
    (tmp_path / "full.jpg").mkdir()
    (tmp_path / "full.jpg" / "1.jpg").touch()
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "parent.jpg").symlink_to(tmp_path)
    found = [path.relative_to(tmp_path).as_posix() for path in find_photos([tmp_path])]
    assert sorted(found) == ["empty.jpg", "full.jpg/1.jpg", "loop.png", "parent.jpg"]


def test_many_photos_equal_one_by_one_whatever_stands_between(
    bundle: Path, scenes: Path, tmp_path: Path
) -> None:
    tagger = TypeTagger(bundle)
    good = sorted(scenes.glob("*.jpg"))
    empty, text = tmp_path / "empty.jpg", tmp_path / "text.jpg"
    empty.touch()
    text.write_text("no photo")
    paths = [empty, *good[:9], text, text, *good[9:], tmp_path / "missing.jpg"]
    results = list(embed_photos(tagger, paths, jobs=3))
    assert [result.path for result in results] == paths
    faults = [result.error.fault for result in results if result.error]
    assert faults == [
        PhotoFault.EMPTY,
        PhotoFault.NOT_AN_IMAGE,
        PhotoFault.NOT_AN_IMAGE,
        PhotoFault.NOT_FOUND,
    ]
    vectors = [result.embedding for result in results if result.embedding is not None]
    assert np.abs(np.stack(vectors) - tagger.embed(good)).max() <= 1e-5


def test_nothing_in_nothing_out(bundle: Path) -> None:
    assert list(embed_photos(TypeTagger(bundle), [])) == []
