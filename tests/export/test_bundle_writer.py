from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto

from geograph_types.bundle import Bundle
from geograph_types.errors import BundleError
from geograph_types.manifest import (
    EncoderSource,
    Fidelity,
    HeadSource,
    Precision,
    tensor_contract,
)
from geograph_types.taxonomy import CLASSES
from geograph_types_export.bundle_writer import EncoderPart, HeadPart, check_place, write_bundle
from geograph_types_export.onnx_builder import GraphBuilder, serialise

WEIGHTS = EncoderSource("openai", "a" * 64, stand_in=False)
STAND_IN = EncoderSource("random:0", "b" * 64, stand_in=True)


def small_encoder(gain: float) -> bytes:
    """512 times the mean pixel, in the form of an encoder."""
    graph = GraphBuilder("encoder")
    pixels = graph.node("Cast", "cast", ["pixels"], to=TensorProto.FLOAT)
    mean = graph.node("ReduceMean", "mean", [pixels, graph.integers(1, 2, 3)], keepdims=0)
    column = graph.node("Reshape", "column", [mean, graph.integers(-1, 1)])
    weight = graph.constant("encoder.weight", np.full((1, 512), gain / 255, np.float32))
    graph.node("MatMul", "product", [column, weight], outputs=["image_embeds"])
    return serialise(graph.model(*tensor_contract("encoder")))


def small_head(gain: float) -> bytes:
    """Seven weighted sums and the bucket's own bias, in the form of a head."""
    graph = GraphBuilder("head")
    weight = np.linspace(-gain, gain, 512 * 7, dtype=np.float32).reshape(512, 7) / 512
    table = np.linspace(-1, 1, 23 * 7, dtype=np.float32).reshape(23, 7)
    seen = graph.node("MatMul", "seen", ["image_embeds", graph.constant("weight", weight)])
    bias = graph.node("Gather", "bias", [graph.constant("table", table), "distance_bucket"])
    logits = graph.node("Add", "sum", [seen, bias], outputs=["logits"])
    graph.node("Sigmoid", "sigmoid", [logits], outputs=["probabilities"])
    return serialise(graph.model(*tensor_contract("head")))


def encoder(gain: float, source: EncoderSource, precision: Precision = "fp32") -> EncoderPart:
    path = f"visual.{precision}.onnx"
    fidelity = Fidelity(path, "torch", 32, 0.999999, 2e-6)
    return EncoderPart(small_encoder(gain), precision, source, fidelity)


def head(gain: float, thresholds: dict[str, float] | None = None) -> HeadPart:
    source = HeadSource("run", "c" * 64, metrics={"validation_macro_f1": 0.9})
    fidelity = Fidelity("head.onnx", "torch", 736, None, 2e-7)
    return HeadPart(small_head(gain), source, fidelity, thresholds or dict.fromkeys(CLASSES, 0.5))


def files(bundle: Bundle) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in bundle.root.iterdir()}


def test_parts_are_added_and_the_rest_stays(tmp_path: Path) -> None:
    path = tmp_path / "model"
    write_bundle(path, encoder(1, WEIGHTS))
    write_bundle(path, head(1, dict.fromkeys(CLASSES, 0.4)))
    bundle = write_bundle(path, encoder(2, WEIGHTS, "fp16"))
    bundle.verify()
    assert bundle.manifest.precisions == ("fp16", "fp32")
    assert bundle.read(bundle.find("encoder", "fp32")) == small_encoder(1)
    assert bundle.read(bundle.find("head")) == small_head(1)
    assert set(bundle.manifest.thresholds.values()) == {0.4}
    assert len(bundle.manifest.fidelity) == 5
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


def test_a_tagger_is_encoder_and_head_in_one_file(tmp_path: Path) -> None:
    write_bundle(tmp_path / "b", encoder(1, WEIGHTS))
    write_bundle(tmp_path / "b", encoder(2, WEIGHTS, "int8"))
    assert Bundle.open(tmp_path / "b").manifest.find("tagger", "fp32") is None
    bundle = write_bundle(tmp_path / "b", head(3))
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (3, 224, 224, 3), dtype=np.uint8)
    buckets = np.array([0, 5, 22], np.int64)
    for precision, gain in (("fp32", 1.0), ("int8", 2.0)):
        session = onnxruntime.InferenceSession(bundle.root / f"tagger.{precision}.onnx")
        inputs = {"pixels": pixels, "distance_bucket": buckets}
        scores, embeds = session.run(["probabilities", "image_embeds"], inputs)
        np.testing.assert_allclose(embeds[:, 0], gain * pixels.mean(axis=(1, 2, 3)) / 255, 1e-4)
        single = onnxruntime.InferenceSession(small_head(3))
        apart = single.run(["probabilities"], {"image_embeds": embeds, "distance_bucket": buckets})
        np.testing.assert_allclose(scores, apart[0], atol=1e-6)
    older = bundle.read(bundle.find("tagger", "fp32"))
    newer = write_bundle(tmp_path / "b", head(4))
    assert newer.read(newer.find("tagger", "fp32")) != older


def test_encoders_of_other_weights_are_not_mixed(tmp_path: Path) -> None:
    write_bundle(tmp_path / "b", encoder(1, STAND_IN))
    write_bundle(tmp_path / "b", encoder(2, STAND_IN, "fp16"))
    bundle = write_bundle(tmp_path / "b", encoder(3, WEIGHTS))
    assert bundle.manifest.precisions == ("fp32",)
    assert bundle.manifest.encoder == WEIGHTS
    assert [fidelity.path for fidelity in bundle.manifest.fidelity] == ["visual.fp32.onnx"]


def test_an_encoder_that_means_something_is_not_replaced_by_other_weights(tmp_path: Path) -> None:
    before = files(write_bundle(tmp_path / "b", encoder(1, WEIGHTS)))
    for source in (STAND_IN, EncoderSource("mine.pt", "d" * 64, stand_in=False)):
        for write in (check_place, lambda path, source: write_bundle(path, encoder(2, source))):
            with pytest.raises(BundleError, match=r"weights openai .* give its own with --weights"):
                write(tmp_path / "b", source)
    assert files(Bundle.open(tmp_path / "b")) == before


def test_tags_that_flip_are_those_of_the_head_that_is_there(tmp_path: Path) -> None:
    part = encoder(1, WEIGHTS, "int8")
    judged = msgspec.structs.replace(part.fidelity, flipped_tags=0.25, calibration="scenes")
    part = replace(part, fidelity=judged)

    def flipped(bundle: Bundle) -> float | None:
        (found,) = [f for f in bundle.manifest.fidelity if f.path == "visual.int8.onnx"]
        return found.flipped_tags

    assert flipped(write_bundle(tmp_path / "b", head(1), part)) == 0.25
    assert flipped(write_bundle(tmp_path / "b", head(1))) == 0.25
    other = replace(head(2), source=HeadSource("other", "e" * 64))
    assert flipped(write_bundle(tmp_path / "b", other)) is None


def test_the_folder_that_one_is_in_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BundleError, match="go out of it first"):
        write_bundle(Path(), head(1))
    assert list(tmp_path.iterdir()) == []


def test_the_same_parts_give_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    write_bundle(tmp_path / "a", encoder(1, WEIGHTS))
    one = write_bundle(tmp_path / "a", head(1))
    write_bundle(tmp_path / "b", head(2))
    write_bundle(tmp_path / "b", head(1))
    other = write_bundle(tmp_path / "b", encoder(1, WEIGHTS))
    at_once = write_bundle(tmp_path / "c", encoder(1, WEIGHTS), head(1))
    assert files(one) == files(other) == files(at_once)
    changed = write_bundle(tmp_path / "b", head(3))
    assert changed.manifest.version != one.manifest.version


def test_the_card_says_what_the_bundle_is(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "b", encoder(1, STAND_IN))
    card = (bundle.root / "MODEL_CARD.md").read_text()
    assert "The encoder is a stand-in" in card
    assert "CC BY-SA 4.0" in card and "Not measured" in card
    bundle = write_bundle(tmp_path / "b", encoder(1, WEIGHTS))
    bundle = write_bundle(tmp_path / "b", head(1))
    card = (bundle.root / "MODEL_CARD.md").read_text()
    assert "stand-in" not in card
    assert "validation_macro_f1 | 0.9 |" in card


def test_an_interrupted_write_leaves_the_old_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files(write_bundle(tmp_path / "b", encoder(1, WEIGHTS)))

    def stop(_: Path, __: bytes) -> int:
        raise KeyboardInterrupt

    for target in ("b", "new"):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(Path, "write_bytes", stop)
            write_bundle(tmp_path / target, head(1))
    assert files(Bundle.open(tmp_path / "b")) == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["b"]


def test_what_is_no_bundle_is_left_alone(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "a.jpg").write_bytes(b"photo")
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "link").symlink_to(photos)
    for name in ("photos", "file", "link"):
        with pytest.raises(BundleError):
            write_bundle(tmp_path / name, head(1))
    assert (photos / "a.jpg").read_bytes() == b"photo"


def test_a_damaged_bundle_is_not_built_upon(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "b", encoder(1, WEIGHTS))
    (bundle.root / "visual.fp32.onnx").write_bytes(small_encoder(4))
    with pytest.raises(BundleError, match="digest"):
        write_bundle(tmp_path / "b", head(1))
