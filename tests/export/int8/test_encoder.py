"""An int8 encoder of two layers: what it is fitted on, and what the gate lets pass."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from geograph_types.session import Session
from geograph_types_export.architecture import HEADS, WIDTH
from geograph_types_export.bundle.make import export_head, load_head
from geograph_types_export.errors import GateError
from geograph_types_export.graphs.builder import serialise
from geograph_types_export.graphs.encoder import encoder_graph
from geograph_types_export.graphs.folding import fold
from geograph_types_export.int8 import gate
from geograph_types_export.int8.gate import Sample, find_accepted
from geograph_types_export.int8.inputs import block_inputs, patch_rows
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
    with pytest.raises(GateError, match="give more photos like your own with --calibration DIR"):
        find_accepted(quantised, *samples, None)


def normalised(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)


def test_products_read_what_the_tower_computes(small_stand_in: EncoderWeights) -> None:
    """The first block, in numpy: 50 tokens of each photo, and nine more of the class token."""
    pixels, tower = check_photos(2), fold(small_stand_in.state)
    found, last = block_inputs(encoder_graph(tower), 2, pixels)
    block = tower.blocks[0]
    patches = patch_rows(pixels).reshape(2, 49, -1) @ tower.patches.weight  # type: ignore[operator]
    x = np.pad(patches, ((0, 0), (1, 0), (0, 0))) + tower.positions
    x = normalised(x) * tower.norm_weight + tower.norm_bias
    seen = normalised(x)
    merged = seen @ block.in_proj.weight + block.in_proj.bias  # type: ignore[operator]
    query, key, value = merged.reshape(2, 50, 3, HEADS, -1).transpose(2, 0, 3, 1, 4)
    scores = np.exp(query @ key.swapaxes(-1, -2) / np.sqrt(WIDTH // HEADS))
    mixed = (scores / scores.sum(-1, keepdims=True)) @ value
    mixed = mixed.swapaxes(1, 2).reshape(x.shape)
    x = x + mixed @ block.out_proj.weight + block.out_proj.bias  # type: ignore[operator]
    hidden = normalised(x) @ block.c_fc.weight + block.c_fc.bias  # type: ignore[operator]
    hidden = hidden / (1 + np.exp(-hidden))
    expected = {"in_proj": seen, "out_proj": mixed, "c_fc": normalised(x), "c_proj": hidden}
    for name, tokens in expected.items():
        rows = getattr(found, name)
        assert rows.shape == (2 * 59, tokens.shape[-1])
        np.testing.assert_allclose(rows.reshape(2, 59, -1)[:, :50], tokens, rtol=1e-4, atol=2e-4)
        np.testing.assert_array_equal(rows[50:59], np.repeat(rows[:1], 9, axis=0))
    assert [len(getattr(last, name)) for name in expected] == [118, 2, 2, 2]
