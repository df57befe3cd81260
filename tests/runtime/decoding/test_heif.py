"""HEIC photos, where the extra is installed; `data` holds two that libheif's x265 encoder wrote.

Both hold the scene that is drawn below, 64x48 pixels: one as it is, one turned by 90 degrees with
a transformation that turns it back.
"""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from geograph_types.decoding import formats
from geograph_types.decoding.open import open_photo
from geograph_types.errors import PhotoError, PhotoFault

DATA = Path(__file__).parent / "data"


@pytest.mark.parametrize("name", ["scene.heic", "turned.heic"])
def test_heic_opens_upright(name: str, tmp_path: Path) -> None:
    rows, columns = np.mgrid[0:48, 0:64]
    expected = np.stack([rows * 255 // 48, columns * 255 // 64, (rows + columns) % 256], 2)
    wrongly_named = tmp_path / "photo.jpg"
    wrongly_named.write_bytes((DATA / name).read_bytes())
    for photo in (DATA / name, wrongly_named, wrongly_named.read_bytes()):
        image = open_photo(photo)
        assert (image.size, image.mode) == ((64, 48), "RGB")
        assert np.abs(np.asarray(image, int) - expected).mean() < 4


def test_truncated_heic_is_damaged() -> None:
    data = (DATA / "scene.heic").read_bytes()
    for length in (30, 200, 600, len(data) - 1):
        with pytest.raises(PhotoError) as caught:
            open_photo(data[:length])
        assert caught.value.fault in (PhotoFault.DAMAGED, PhotoFault.NOT_AN_IMAGE)


def test_avif_is_not_taken_for_heic(tmp_path: Path) -> None:
    path = tmp_path / "photo.heic"
    Image.new("RGB", (64, 48), "red").save(path, "AVIF")
    assert open_photo(path).size == (64, 48)


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    formats._register_heif.cache_clear()
    with pytest.raises(PhotoError, match=r"unsupported_format.*geograph-types\[heif\]") as caught:
        open_photo(DATA / "scene.heic")
    assert caught.value.fault is PhotoFault.UNSUPPORTED
