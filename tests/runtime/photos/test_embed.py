from pathlib import Path

import numpy as np

from geograph_types import TypeTagger
from geograph_types.photos.embed import embed_photos


def test_many_photos_equal_one_by_one(bundle: Path, scenes: Path, tmp_path: Path) -> None:
    tagger = TypeTagger(bundle)
    good = sorted(scenes.glob("*.jpg"))
    empty, text = tmp_path / "empty.jpg", tmp_path / "text.jpg"
    empty.touch()
    text.write_text("no photo")
    paths = [empty, *good[:9], text, text, *good[9:], tmp_path / "missing.jpg"]
    results = list(embed_photos(tagger, paths, jobs=3))
    assert [result.path for result in results] == paths
    faults = [result.error.fault for result in results if result.error]
    assert faults == ["empty_file", "not_an_image", "not_an_image", "not_found"]
    vectors = [result.embedding for result in results if result.embedding is not None]
    assert np.abs(np.stack(vectors) - tagger.embed(good)).max() <= 1e-5
    assert list(embed_photos(tagger, [])) == []
