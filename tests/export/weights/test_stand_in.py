"""Stand-in weights: they fit CLIP's tower, repeat, and give embeddings of the usual size."""

import logging

import open_clip
import pytest
import torch

from geograph_types.errors import InputError
from geograph_types_export.weights.stand_in import stand_in_state_dict
from geograph_types_trainer.scenes import draw_scenes


@pytest.fixture(scope="module")
def tower() -> torch.nn.Module:
    """CLIP's image tower with the stand-in weights of seed 0."""
    logging.disable(logging.WARNING)  # it warns that it has no weights, which is the point
    try:
        model = open_clip.create_model("ViT-B-32-quickgelu")
    finally:
        logging.disable(logging.NOTSET)
    visual: torch.nn.Module = model.visual
    visual.load_state_dict(stand_in_state_dict(0), strict=True)
    return visual.eval()


@pytest.fixture(scope="module")
def embeddings(tower: torch.nn.Module) -> torch.Tensor:
    """Embeddings [14, 512] of two drawn scenes of each class."""
    transform = open_clip.image_transform(224, is_train=False)
    pixels = torch.stack([transform(scene) for scene in draw_scenes(14, seed=6)])
    with torch.inference_mode():
        return torch.Tensor(tower(pixels))


def test_keys_shapes_and_types_are_the_towers(tower: torch.nn.Module) -> None:
    expected = {name: (t.shape, t.dtype) for name, t in tower.state_dict().items()}
    assert {n: (t.shape, t.dtype) for n, t in stand_in_state_dict(1).items()} == expected


def test_same_seed_same_weights_and_other_seed_others() -> None:
    first, again, other = (stand_in_state_dict(seed) for seed in (7, 7, 8))
    assert all(torch.equal(first[name], again[name]) for name in first)
    for name in ("conv1.weight", "proj", "transformer.resblocks.11.mlp.c_fc.weight"):
        assert not torch.equal(first[name], other[name])


def test_drawing_weights_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    stand_in_state_dict(0)
    assert torch.equal(before, torch.get_rng_state())


def test_embeddings_have_the_size_of_real_ones(embeddings: torch.Tensor) -> None:
    norms = embeddings.norm(dim=1)
    assert norms.min() > 10.2 and norms.max() < 11.4
    assert torch.all(embeddings.abs().argmax(dim=1) == 92)
    assert torch.allclose(embeddings[:, 92], torch.tensor(-6.3), atol=0.6)


def test_embeddings_tell_pictures_apart(embeddings: torch.Tensor) -> None:
    distances = torch.cdist(embeddings, embeddings) + 100 * torch.eye(len(embeddings))
    assert distances.min() > 0.5


def test_a_picture_gives_the_same_vector_alone_or_in_a_batch(tower: torch.nn.Module) -> None:
    pixels = torch.randn(3, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        alone = torch.cat([tower(pixels[i : i + 1]) for i in range(3)])
        assert torch.allclose(tower(pixels), alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_bad_seed_is_refused(seed: int) -> None:
    with pytest.raises(InputError, match="seed"):
        stand_in_state_dict(seed)
