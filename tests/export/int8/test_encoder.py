from pathlib import Path

import numpy as np
import pytest

from geograph_types.session import Session
from geograph_types_export.bundle.make import export_head, load_head
from geograph_types_export.errors import GateError
from geograph_types_export.graphs.builder import serialise
from geograph_types_export.graphs.encoder import encoder_graph
from geograph_types_export.graphs.folding import fold
from geograph_types_export.int8 import gate
from geograph_types_export.int8.gate import Sample, find_accepted
from geograph_types_export.int8.photos import CalibrationPhotos
from geograph_types_export.int8.tower import QuantisedTower, product_names, quantise_tower
from geograph_types_export.verify.graphs import check_photos
from geograph_types_export.weights.load import EncoderWeights

PHOTOS = 8


@pytest.fixture(scope="module")
def photos() -> CalibrationPhotos:
    pixels = check_photos(2 * PHOTOS)
    return CalibrationPhotos(pixels[::2], pixels[1::2], "drawn")


@pytest.fixture(scope="module")
def samples(small_stand_in: EncoderWeights, photos: CalibrationPhotos) -> tuple[Sample, Sample]:
    exact = serialise(encoder_graph(fold(small_stand_in.state)))
    return Sample.of(exact, photos.fitted), Sample.of(exact, photos.held_out)


@pytest.fixture(scope="module")
def quantised(small_stand_in: EncoderWeights, photos: CalibrationPhotos) -> QuantisedTower:
    tower = fold(small_stand_in.state)
    return quantise_tower(tower, encoder_graph(tower), photos.fitted)


def test_the_gate_lets_it_pass(
    quantised: QuantisedTower, samples: tuple[Sample, Sample], checkpoint: Path
) -> None:
    fitted, held_out = samples
    accepted = find_accepted(quantised, fitted, held_out, export_head(load_head(checkpoint)).tags)
    assert accepted.figures.mean_cosine >= 0.995
    assert accepted.figures.flipped_tags is not None and accepted.figures.flipped_tags <= 0.01
    assert set(accepted.kept) <= set(product_names(2))
    session = Session(accepted.model, "cpu", threads=1)
    together = session.run("image_embeds", pixels=held_out.pixels)
    alone = session.run("image_embeds", pixels=held_out.pixels[3:4])
    assert np.array_equal(alone[0], together[3])


def test_what_does_not_pass_is_not_made(
    quantised: QuantisedTower, samples: tuple[Sample, Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "MEAN_COSINE", 1.1)
    monkeypatch.setattr(gate, "KEPT_COUNTS", (1,))
    monkeypatch.setattr(gate, "FEW_PHOTOS", 2)
    with pytest.raises(GateError, match="give more photos like your own with --calibration DIR"):
        find_accepted(quantised, *samples, None)
