"""Ways of decoding that cost nothing that matters: vectors against those of the whole picture."""

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_images

from geograph_types import TypeTagger
from geograph_types.decoding.open import decode_photo, open_photo
from geograph_types_trainer.scenes import draw_scenes

DRAWN = 14
LARGE = (4000, 3000)
ORIENTATION_TAG = 0x0112
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    """Two photographs and drawn scenes."""
    photographs = [Image.fromarray(pixels) for pixels in load_sample_images().images]
    return photographs + list(draw_scenes(DRAWN, 5))


@pytest.fixture(scope="module")
def tagger(full_bundle: Path) -> TypeTagger:
    return TypeTagger(full_bundle, precision="fp32")


def encoded(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90, **options)
    return buffer.getvalue()


def cosines(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.asarray((a * b).sum(axis=1) / norms, np.float32)


def test_draft_gives_the_vector_of_full_decoding(
    tagger: TypeTagger, pictures: list[Image.Image]
) -> None:
    found, expected = [], []
    for picture in pictures:
        data = encoded(picture.resize(LARGE, Image.Resampling.LANCZOS))
        assert open_photo(data).size == (1000, 750)
        found.append(tagger.embed([data])[0])
        expected.append(tagger.embed([open_photo(data, exact=True)])[0])
    a, b = np.stack(found), np.stack(expected)
    plain, centred = cosines(a, b), cosines(a - b.mean(axis=0), b - b.mean(axis=0))
    print(f"\ndraft at 12 MP: cosine {plain.mean():.6f} on average, {plain.min():.6f} at worst")
    print(f"after subtracting the mean {centred.mean():.6f}, {centred.min():.6f}")
    assert plain.mean() >= 0.999
    assert centred.mean() >= 0.999


@pytest.mark.parametrize("size", [(900, 675), (2400, 1800)])
def test_all_orientations_give_the_vector_of_the_upright_picture(
    tagger: TypeTagger, pictures: list[Image.Image], size: tuple[int, int]
) -> None:
    worst = 1.0
    for picture in pictures[:4]:
        upright = picture.resize(size, Image.Resampling.BICUBIC)
        expected = tagger.embed([encoded(upright)])
        for orientation, transpose in STORED.items():
            exif = Image.Exif()
            exif[ORIENTATION_TAG] = orientation
            stored = upright if transpose is None else upright.transpose(transpose)
            found = tagger.embed([encoded(stored, exif=exif)])
            worst = min(worst, float(cosines(found, expected)[0]))
    print(f"\neight orientations at {size}: cosine {worst:.6f} at worst")
    assert worst >= 0.999


def test_a_cut_off_photo_that_is_used_keeps_its_own_vector(
    tagger: TypeTagger, pictures: list[Image.Image]
) -> None:
    """Centred cosines near 0 are those of any other photo."""
    whole = tagger.embed([encoded(picture) for picture in pictures])
    mean = whole.mean(axis=0)
    for missing in (0.1, 0.2):
        cut = []
        for picture in pictures:
            data = encoded(picture)
            header = data.index(b"\xff\xda")
            lengths = range(len(data) - 2, header, -max(1, len(data) // 200))
            for length in lengths:
                photo = open_photo(data[:length])
                grey = np.asarray(photo.convert("L"))
                if (grey[int(len(grey) * (1 - missing)) :] == 128).all():
                    break
            assert decode_photo(data[:length]).truncated
            cut.append(photo)
        found = cosines(tagger.embed(cut) - mean, whole - mean)
        print(f"\n{missing:.0%} of the rows missing: centred cosine {found.mean():.3f} on average")
        assert found.mean() >= 0.75
