import onnx
import pytest
import torch
from onnx import numpy_helper

from geograph_types_export.bundle.parts import EncoderPart
from geograph_types_export.errors import DriftError
from geograph_types_export.graphs.head import head_graph
from geograph_types_export.verify.graphs import (
    numpy_reference,
    verify_encoder,
    verify_head,
)
from geograph_types_export.weights.load import EncoderWeights
from geograph_types_trainer.head import TypeHead


def test_the_measured_fidelity_is_within_the_bounds(part: EncoderPart) -> None:
    fidelity = part.fidelity
    assert fidelity.samples == 32
    assert fidelity.minimum_cosine is not None and fidelity.minimum_cosine >= 0.99999
    assert 0 < fidelity.maximum_difference <= 1e-3


def test_other_weights_are_refused(part: EncoderPart, exact_weights: EncoderWeights) -> None:
    state = dict(exact_weights.state)
    key = "transformer.resblocks.1.mlp.c_fc.bias"
    state[key] = state[key] + 0.05
    with pytest.raises(DriftError, match=r"visual\.fp32\.onnx differs from the tower in numpy"):
        verify_encoder(part.model, "fp32", numpy_reference(state))


def test_a_head_with_one_wrong_row_is_refused() -> None:
    torch.manual_seed(0)
    head = TypeHead().weights()
    model = head_graph(head)
    table = next(t for t in model.graph.initializer if t.name == "fc.0.distance.table")
    values = numpy_helper.to_array(table).copy()
    values[17] += 0.01
    table.CopyFrom(numpy_helper.from_array(values, table.name))
    onnx.checker.check_model(model)
    with pytest.raises(DriftError, match="logits"):
        verify_head(model.SerializeToString(), "head.onnx", head)
