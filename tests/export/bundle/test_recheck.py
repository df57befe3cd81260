"""`export verify` repeats the checks on a bundle that is there."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from geograph_types.bundle import Bundle
from geograph_types.manifest import EncoderSource, Fidelity
from geograph_types_export.architecture import TowerState
from geograph_types_export.bundle.make import export_encoder, export_head, load_head
from geograph_types_export.bundle.parts import EncoderPart
from geograph_types_export.bundle.recheck import recheck_encoders, recheck_head, recheck_taggers
from geograph_types_export.bundle.write import write_bundle
from geograph_types_export.cli import export as command
from geograph_types_export.errors import RecheckError, WeightsError
from geograph_types_export.int8.photos import CalibrationPhotos
from geograph_types_export.verify.graphs import check_photos, numpy_reference
from geograph_types_export.weights import load
from geograph_types_export.weights.load import EncoderWeights


@pytest.fixture(scope="module")
def made(
    small_stand_in: EncoderWeights, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A bundle of a tower of two layers and an untrained head."""
    path = tmp_path_factory.mktemp("made") / "bundle"
    write_bundle(path, export_encoder(small_stand_in), export_head(load_head(checkpoint)))
    return path


@pytest.mark.parametrize("against", ["numpy", "open_clip"])
def test_a_bundle_is_what_its_manifest_says_it_was_made_from(
    against: str,
    made: Path,
    small_stand_in: EncoderWeights,
    checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(load, "load_weights", lambda spec: small_stand_in)
    words = [str(made), "--against", against, "--head", str(checkpoint)]
    assert command.verify.main(words, standalone_mode=False) == 0
    said = capsys.readouterr().err
    for file in ("visual.fp32.onnx: worst cosine 0.99", "tagger.fp32.onnx:", "head.onnx:"):
        assert file in said


def test_other_weights_are_refused(made: Path, exact_weights: EncoderWeights) -> None:
    reference = numpy_reference(exact_weights.state)
    with pytest.raises(WeightsError, match=r"the bundle has random:0; give its own"):
        list(recheck_encoders(Bundle.open(made), exact_weights, reference))


def test_int8_is_measured_anew_with_the_head_that_is_there(
    made: Path, small_stand_in: EncoderWeights, tmp_path: Path
) -> None:
    path = Path(shutil.copytree(made, tmp_path / "bundle"))
    part = export_encoder(small_stand_in)
    # The same file stands for one of integers: it has to pass, and flips nothing.
    bundle = write_bundle(path, _as_int8(part.model, small_stand_in))
    pixels = check_photos(8)
    photos = CalibrationPhotos(pixels[::2], pixels[1::2], "8 photos")
    reference = numpy_reference(small_stand_in.state)
    found = list(recheck_encoders(bundle, small_stand_in, reference, photos))
    assert [f.path for f in found] == ["visual.fp32.onnx", "visual.int8.onnx"]
    assert found[1].flipped_tags == 0
    assert found[1].samples == 4
    assert len(list(recheck_taggers(bundle))) == 2
    other = export_encoder(EncoderWeights("x", _noisy(small_stand_in), "1" * 64))
    bundle = write_bundle(path, _as_int8(other.model, small_stand_in))
    with pytest.raises(RecheckError, match="name the folder of those with --calibration"):
        list(recheck_encoders(bundle, small_stand_in, reference, photos))


def test_a_head_is_held_to_where_it_came_from(made: Path, checkpoint: Path) -> None:
    assert recheck_head(Bundle.open(made), checkpoint).maximum_difference <= 1e-6


def _as_int8(model: bytes, weights: EncoderWeights) -> EncoderPart:
    source = EncoderSource(weights.name, weights.sha256, weights.stand_in)
    fidelity = Fidelity("visual.int8.onnx", "float32", 4, 0.99, 0.1, 0.999, 0.99)
    return EncoderPart(model, "int8", source, fidelity)


def _noisy(weights: EncoderWeights) -> TowerState:
    rng = np.random.default_rng(1)
    key = "proj"
    noise = rng.normal(0, 0.05, weights.state[key].shape).astype(np.float32)
    return dict(weights.state) | {key: weights.state[key] + noise}
