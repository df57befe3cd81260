import numpy as np
import pytest

from geograph_types.errors import InputError
from geograph_types.preprocess import preprocess
from geograph_types_export.architecture import architecture_problem, tower_shapes
from geograph_types_export.verify.reference import ReferenceTower
from geograph_types_export.weights.stand_in import stand_in_tower
from geograph_types_export.with_torch import open_clip_tower
from geograph_types_trainer.scenes import draw_scenes


def test_keys_and_shapes_are_the_towers() -> None:
    shapes = {name: values.shape for name, values in stand_in_tower(1).items()}
    assert architecture_problem(shapes) is None
    assert {values.dtype for values in stand_in_tower(1, 2).values()} == {np.dtype(np.float32)}
    theirs = open_clip_tower(stand_in_tower(1, 2)).state_dict()
    assert {name: tuple(values.shape) for name, values in theirs.items()} == tower_shapes(2)


def test_same_seed_same_weights_and_other_seed_others() -> None:
    first, again, other = (stand_in_tower(seed, 2) for seed in (7, 7, 8))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    for name in ("conv1.weight", "proj", "transformer.resblocks.1.mlp.c_fc.weight"):
        assert not np.array_equal(first[name], other[name])
    for seed in (-1, 2**63):
        with pytest.raises(InputError, match="seed"):
            stand_in_tower(seed)


def test_embeddings_have_the_size_of_real_ones_and_tell_pictures_apart() -> None:
    pixels = np.stack([preprocess(scene) for scene in draw_scenes(14, seed=6)])
    embeddings = ReferenceTower(stand_in_tower(0, 3)).embed(pixels)
    norms = np.linalg.norm(embeddings, axis=1)
    assert norms.min() > 10.2 and norms.max() < 11.4
    assert (np.abs(embeddings).argmax(axis=1) == 92).all()
    np.testing.assert_allclose(embeddings[:, 92], -6.3, atol=0.6)
    distances = np.linalg.norm(embeddings[:, None] - embeddings, axis=2) + 100 * np.eye(14)
    assert distances.min() > 0.5
