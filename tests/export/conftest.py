import numpy as np
import pytest

from geograph_types_export.bundle.make import export_encoder
from geograph_types_export.bundle.parts import EncoderPart
from geograph_types_export.weights.load import EncoderWeights
from geograph_types_export.weights.stand_in import stand_in_tower

LAYERS = 2


@pytest.fixture(scope="session")
def small_stand_in() -> EncoderWeights:
    return EncoderWeights("random:0", stand_in_tower(0, LAYERS), "1" * 64, stand_in=True)


@pytest.fixture(scope="session")
def exact_weights(small_stand_in: EncoderWeights) -> EncoderWeights:
    """Weights in which every bias and every affine part matters, as it does in real ones."""
    rng = np.random.default_rng(5)
    state = dict(small_stand_in.state)
    for key, values in state.items():
        if values.ndim == 1:
            state[key] = values + rng.normal(0, 0.2, values.shape).astype(np.float32)
    return EncoderWeights("test", state, "0" * 64)


@pytest.fixture(scope="session")
def part(exact_weights: EncoderWeights) -> EncoderPart:
    return export_encoder(exact_weights)
