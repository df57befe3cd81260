"""One stand-in, one encoder and one reference for all tests of the export."""

import pytest
import torch

from geograph_types_export.bundle.make import export_encoder
from geograph_types_export.bundle.parts import EncoderPart
from geograph_types_export.verify.reference import ReferenceTower
from geograph_types_export.weights.load import EncoderWeights, load_weights


@pytest.fixture(scope="session")
def stand_in() -> EncoderWeights:
    return load_weights("random:0")


@pytest.fixture(scope="session")
def exact_weights(stand_in: EncoderWeights) -> EncoderWeights:
    """Weights in which every bias and every affine part matters, as it does in real ones."""
    generator = torch.Generator().manual_seed(5)
    state = dict(stand_in.state)
    for key, tensor in state.items():
        if tensor.ndim == 1:
            noise = torch.randn(tensor.shape, generator=generator)
            state[key] = tensor + 0.2 * noise
    return EncoderWeights("test", state, "0" * 64)


@pytest.fixture(scope="session")
def part(exact_weights: EncoderWeights) -> EncoderPart:
    return export_encoder(exact_weights)


@pytest.fixture(scope="session")
def torch_tower(exact_weights: EncoderWeights) -> ReferenceTower:
    return ReferenceTower(exact_weights.state)
