from pathlib import Path

import numpy as np
import pytest
from pictures import ORIENTATION_TAG, STORED, cosines, encoded
from PIL import Image
from sklearn.datasets import load_sample_images

from geograph_types import TypeTagger
from geograph_types.decoding.open import decode_photo, open_photo
from geograph_types_trainer.scenes import draw_scenes


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    photographs = [Image.fromarray(pixels) for pixels in load_sample_images().images]
    return photographs + list(draw_scenes(14, 5))


@pytest.fixture(scope="module")
def tagger(full_bundle: Path) -> TypeTagger:
    return TypeTagger(full_bundle, precision="fp32")


def test_draft_gives_the_full_vector(tagger: TypeTagger, pictures: list[Image.Image]) -> None:
    found, expected = [], []
    for picture in pictures:
        data = encoded(picture.resize((4000, 3000), Image.Resampling.LANCZOS), quality=90)
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
def test_orientations_give_the_vector_of_the_upright_picture(
    tagger: TypeTagger, pictures: list[Image.Image], size: tuple[int, int]
) -> None:
    worst = 1.0
    for picture in pictures[:4]:
        upright = picture.resize(size, Image.Resampling.BICUBIC)
        expected = tagger.embed([encoded(upright, quality=90)])
        for orientation, transpose in STORED.items():
            exif = Image.Exif()
            exif[ORIENTATION_TAG] = orientation
            stored = upright if transpose is None else upright.transpose(transpose)
            found = tagger.embed([encoded(stored, exif=exif, quality=90)])
            worst = min(worst, float(cosines(found, expected)[0]))
    print(f"\neight orientations at {size}: cosine {worst:.6f} at worst")
    assert worst >= 0.999


def test_a_cut_off_photo_keeps_its_vector(tagger: TypeTagger, pictures: list[Image.Image]) -> None:
    """Centred cosines near 0 are those of any other photo."""
    files = [encoded(picture, quality=90) for picture in pictures]
    whole = tagger.embed(files)
    mean = whole.mean(axis=0)
    for missing in (0.1, 0.2):
        cut = []
        for data in files:
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
