import numpy as np
import onnx
import pytest

from geograph_types.session import Session
from geograph_types_export.bundle.parts import EncoderPart
from geograph_types_export.graphs.encoder import encoder_graph
from geograph_types_export.graphs.folding import fold
from geograph_types_export.verify.graphs import check_photos
from geograph_types_export.verify.reference import ReferenceTower
from geograph_types_export.weights.load import EncoderWeights


@pytest.fixture(scope="module")
def session(part: EncoderPart) -> Session:
    return Session(part.model, "cpu")


def test_it_computes_what_the_tower_does(session: Session, exact_weights: EncoderWeights) -> None:
    pixels = check_photos(8).copy()
    pixels[5], pixels[6] = 0, 255
    pixels[7] = np.random.default_rng(0).integers(0, 256, pixels[7].shape)
    computed = session.run("image_embeds", pixels=pixels)
    expected = ReferenceTower(exact_weights.state).embed(pixels)
    np.testing.assert_allclose(computed, expected, rtol=0, atol=1e-4)


def test_a_vector_does_not_depend_on_its_batch(session: Session) -> None:
    pixels = check_photos(9)
    together = session.run("image_embeds", pixels=pixels)
    for index in (0, 4, 8):
        alone = session.run("image_embeds", pixels=pixels[index : index + 1])
        np.testing.assert_allclose(alone[0], together[index], rtol=0, atol=1e-5)
    assert session.run("image_embeds", pixels=check_photos(1)[:0]).shape == (0, 512)


def test_same_weights_same_bytes(part: EncoderPart, exact_weights: EncoderWeights) -> None:
    again = encoder_graph(fold(exact_weights.state)).SerializeToString(deterministic=True)
    assert again == part.model


def test_nodes_have_the_names_of_the_models_parts(part: EncoderPart) -> None:
    graph = onnx.load_from_string(part.model).graph
    names = {node.name.removeprefix("visual.") for node in graph.node}
    assert len(names) == len(graph.node)
    blocks = {"transformer.resblocks.0.attn.in_proj", "transformer.resblocks.1.mlp.c_proj"}
    assert {"conv1", "ln_pre", *blocks, "ln_post", "proj"} <= names
    assert all(node.name.startswith("visual.") for node in graph.node)
    assert graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
