"""A graph whose weights lie in another file is refused, though its digest is right."""

from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, external_data_helper

from geograph_types.bundle import Bundle
from geograph_types.errors import BackendError
from geograph_types.session import Session
from geograph_types.tagger import TypeTagger
from geograph_types_export.bundle.parts import HeadPart
from geograph_types_export.bundle.write import write_bundle


@pytest.fixture(scope="module")
def model(head_bundle: Path) -> bytes:
    return (head_bundle / "head.onnx").read_bytes()


def outside(data: bytes, location: str = "../elsewhere.bin") -> ModelProto:
    model = ModelProto.FromString(data)
    for tensor in model.graph.initializer:
        external_data_helper.set_external_data(tensor, location=location)
        tensor.ClearField("raw_data")
    return model


def test_weights_elsewhere_are_never_read(
    model: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not beside the file, not in the current folder, not by an absolute path or a descriptor."""
    monkeypatch.chdir(tmp_path)
    weights = np.full(1 << 20, 0.5, np.float32).tobytes()
    (tmp_path / "elsewhere.bin").write_bytes(weights)
    (tmp_path.parent / "elsewhere.bin").write_bytes(weights)
    with (tmp_path / "elsewhere.bin").open("rb") as opened:
        for location in (
            "elsewhere.bin",
            "../elsewhere.bin",
            str(tmp_path / "elsewhere.bin"),
            str(opened.fileno()),
            f"/proc/self/fd/{opened.fileno()}",
        ):
            data = outside(model, location).SerializeToString()
            with pytest.raises(BackendError, match="refuses the model"):
                Session(data, "cpu")


@pytest.mark.parametrize("damage", ["weights elsewhere", "no model at all"])
def test_a_bundle_with_such_a_head_gives_no_tags(
    damage: str, model: bytes, head_bundle: Path, tmp_path: Path
) -> None:
    good = Bundle.open(head_bundle)
    source, fidelity = good.manifest.head, good.manifest.fidelity[0]
    assert source is not None
    data = b"photo" if damage == "no model at all" else outside(model).SerializeToString()
    bundle = write_bundle(
        tmp_path / "bundle", HeadPart(data, source, fidelity, good.manifest.thresholds)
    )
    with pytest.raises(BackendError, match="refuses the model"):
        TypeTagger(bundle).score([[0.48] * 512], [None])
