import io
from collections.abc import Iterator
from itertools import islice

import numpy as np
import pytest
from PIL import Image

from geograph_types.decoding.thumbnail import SIDE
from geograph_types.distance.distance import Distance
from geograph_types.errors import PhotoError, PhotoFault
from geograph_types.photos.result import PhotoResult
from geograph_types.prediction import Prediction
from geograph_types.report.thumbnails import with_thumbnails

PREDICTION = Prediction({}, ("Inside",), (), False, Distance.unknown(), "test 1", False)


@pytest.fixture(scope="module")
def greys(tmp_path_factory: pytest.TempPathFactory) -> list[PhotoResult]:
    """Photos of rising brightness; the fourth cannot be opened, the fifth had failed before."""
    folder = tmp_path_factory.mktemp("greys")
    results = []
    for level in range(0, 200, 20):
        path = folder / f"{level}.png"
        Image.new("L", (300, 240), level).save(path)
        results.append(PhotoResult(path, PREDICTION, None))
    results[3].path.write_bytes(b"")
    error = PhotoError("x", PhotoFault.DAMAGED, "")
    results[4] = PhotoResult(results[4].path, None, error)
    return results


@pytest.mark.parametrize("jobs", [1, 3])
def test_each_result_gets_its_own_thumbnail(greys: list[PhotoResult], jobs: int) -> None:
    found = list(with_thumbnails(greys, jobs))
    assert [result for result, _ in found] == greys
    assert [number for number, (_, file) in enumerate(found) if file is None] == [3, 4]
    for number, (_, file) in enumerate(found):
        if file is not None:
            image = Image.open(io.BytesIO(file))
            assert (image.format, image.size) == ("WEBP", (SIDE, SIDE))
            assert abs(np.asarray(image.convert("L")).mean() - 20 * number) < 4


def test_known_thumbnails_are_used_and_their_photos_not_opened(greys: list[PhotoResult]) -> None:
    known = {result.path: str(result.path).encode() for result in greys if result.prediction}
    for result, file in with_thumbnails(greys, 1, known):
        assert file == known.get(result.path)


def test_results_are_taken_as_they_are_needed(greys: list[PhotoResult]) -> None:
    taken = 0

    def endless() -> Iterator[PhotoResult]:
        nonlocal taken
        while True:
            taken += 1
            yield greys[0]

    found = list(islice(with_thumbnails(endless(), jobs=1), 30))
    assert len(found) == 30
    assert taken <= 30 + 10
