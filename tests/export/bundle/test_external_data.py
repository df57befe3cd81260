"""A graph whose weights lie in another file is refused, though its digest is right."""

from pathlib import Path

import onnx
import pytest
from onnx import ModelProto, external_data_helper, helper

from geograph_types.bundle import Bundle
from geograph_types.cli.main import main
from geograph_types.errors import BundleError
from geograph_types.onnx_outline import OutlineError, has_external_data
from geograph_types.tagger import TypeTagger
from geograph_types_export.bundle.parts import HeadPart
from geograph_types_export.bundle.write import write_bundle


@pytest.fixture(scope="module")
def model(head_bundle: Path) -> bytes:
    return (head_bundle / "head.onnx").read_bytes()


def outside(data: bytes) -> ModelProto:
    model = ModelProto.FromString(data)
    for tensor in model.graph.initializer:
        external_data_helper.set_external_data(tensor, location="../elsewhere.bin")
        tensor.ClearField("raw_data")
    return model


def test_a_whole_model_has_none(model: bytes) -> None:
    assert not has_external_data(memoryview(model))


def test_weights_elsewhere_are_found_wherever_they_are_named(model: bytes) -> None:
    tensor = outside(model).graph.initializer[0]
    constant = helper.make_node("Constant", [], ["value"], value=tensor)
    inner = helper.make_graph([constant], "inner", [], [])
    branch = helper.make_node("If", ["condition"], ["out"], then_branch=inner, else_branch=inner)
    sparse = onnx.SparseTensorProto(values=tensor)
    function = helper.make_function("own", "f", [], ["value"], [constant], [])
    empty = helper.make_graph([], "empty", [], [])
    models = [
        outside(model),
        helper.make_model(helper.make_graph([constant], "g", [], [])),
        helper.make_model(helper.make_graph([branch], "g", [], [])),
        helper.make_model(helper.make_graph([], "g", [], [], sparse_initializer=[sparse])),
        helper.make_model(empty, functions=[function]),
    ]
    assert [has_external_data(memoryview(m.SerializeToString())) for m in models] == [True] * 5


def test_what_is_no_model_is_said_to_be_none(model: bytes) -> None:
    for data in (b"", b"photo", model[:1000], b"\xff" * 40, b"\x38\x01", model + b"\x0f"):
        with pytest.raises(OutlineError):
            has_external_data(memoryview(data))


def test_a_bundle_with_such_a_head_is_refused_by_all_that_open_it(
    head_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = Bundle.open(head_bundle)
    source, fidelity = good.manifest.head, good.manifest.fidelity[0]
    assert source is not None
    for number, data in enumerate(
        (outside(good.read(good.find("head"))).SerializeToString(), b"no model at all")
    ):
        bundle = write_bundle(
            tmp_path / str(number), HeadPart(data, source, fidelity, good.manifest.thresholds)
        )
        problem = "other files" if number == 0 else "no ONNX model"
        with pytest.raises(BundleError, match=problem):
            TypeTagger(bundle).score([[0.48] * 512], [None])
        with pytest.raises(BundleError, match=problem):
            bundle.verify()
        for command in (["bundle", "verify"], ["export", "verify"]):
            assert main([*command, str(bundle.root)]) == 2
            assert problem in capsys.readouterr().err
