import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto

from geograph_types.bundle import Bundle
from geograph_types.errors import BundleError, OutputError
from geograph_types.files import atomic
from geograph_types.files.atomic import new_folder
from geograph_types.manifest import (
    EncoderSource,
    Fidelity,
    HeadSource,
    Precision,
    tensor_contract,
)
from geograph_types.thresholds import Thresholds
from geograph_types_export.bundle.parts import EncoderPart, HeadPart
from geograph_types_export.bundle.write import check_place, write_bundle
from geograph_types_export.graphs.builder import GraphBuilder, serialise

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


def head(gain: float, thresholds: float = 0.5) -> HeadPart:
    source = HeadSource("run", "c" * 64, metrics={"validation_macro_f1": 0.9})
    fidelity = Fidelity("head.onnx", "torch", 736, None, 2e-7)
    return HeadPart(small_head(gain), source, fidelity, Thresholds.uniform(thresholds))


def files(bundle: Bundle) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in bundle.root.iterdir()}


def test_parts_are_added_and_the_rest_stays(tmp_path: Path) -> None:
    path = tmp_path / "model"
    write_bundle(path, encoder(1, WEIGHTS))
    write_bundle(path, head(1, 0.4))
    bundle = write_bundle(path, encoder(2, WEIGHTS, "fp16"))
    bundle.verify()
    assert bundle.manifest.precisions == ("fp16", "fp32")
    assert bundle.read(bundle.find("encoder", "fp32")) == small_encoder(1)
    assert bundle.read(bundle.find("head")) == small_head(1)
    assert bundle.manifest.thresholds == Thresholds.uniform(0.4)
    assert len(bundle.manifest.fidelity) == 5
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


def test_a_tagger_is_encoder_and_head_in_one_file(tmp_path: Path) -> None:
    write_bundle(tmp_path / "b", encoder(1, WEIGHTS))
    write_bundle(tmp_path / "b", encoder(2, WEIGHTS, "fp16"))
    assert Bundle.open(tmp_path / "b").manifest.find("tagger", "fp32") is None
    bundle = write_bundle(tmp_path / "b", head(3))
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (3, 224, 224, 3), dtype=np.uint8)
    buckets = np.array([0, 5, 22], np.int64)
    for precision, gain in (("fp32", 1.0), ("fp16", 2.0)):
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


def judged_by(judge: HeadPart) -> EncoderPart:
    part = encoder(1, WEIGHTS, "int8")
    fidelity = msgspec.structs.replace(
        part.fidelity,
        centred_cosine_mean=0.999,
        centred_cosine_p1=0.99,
        flipped_tags=0.004,
        calibration="scenes",
    )
    return replace(part, fidelity=fidelity, tags=judge.tags)


def flipped_tags(bundle: Bundle) -> float | None:
    (int8,) = [f for f in bundle.manifest.fidelity if f.path == "visual.int8.onnx"]
    return int8.flipped_tags


OTHER_HEADS = {
    "weights": replace(head(2), source=HeadSource("other", "e" * 64)),
    "thresholds": head(1, 0.4),
}


@pytest.mark.parametrize("other", OTHER_HEADS.values(), ids=list(OTHER_HEADS))
def test_flipped_tags_are_those_of_the_head_that_they_were_counted_with(
    tmp_path: Path, other: HeadPart
) -> None:
    path = tmp_path / "b"
    assert flipped_tags(write_bundle(path, head(1), judged_by(head(1)))) == 0.004
    assert flipped_tags(write_bundle(path, head(1))) == 0.004
    bundle = write_bundle(path, other)
    assert flipped_tags(bundle) is None
    card = " ".join((path / "MODEL_CARD.md").read_text().split())
    assert "Tags flipped: not measured." in card
    assert bundle.read(bundle.find("encoder", "int8")) == small_encoder(1)
    assert flipped_tags(write_bundle(path, judged_by(head(1)))) is None
    assert flipped_tags(write_bundle(path, judged_by(other))) == 0.004
    alone = write_bundle(tmp_path / "alone", replace(judged_by(head(1)), tags=None))
    assert flipped_tags(alone) is None


def test_of_two_exports_at_once_neither_loses_its_part(tmp_path: Path) -> None:
    for number in range(8):
        path = tmp_path / str(number)
        write_bundle(path, encoder(1, WEIGHTS))
        parts = encoder(2, WEIGHTS, "fp16"), encoder(3, WEIGHTS, "int8")
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda part, place=path: write_bundle(place, part), parts))
        assert Bundle.open(path).manifest.precisions == ("fp16", "fp32", "int8")


def test_a_bundle_that_a_killed_export_took_away_is_put_back(tmp_path: Path) -> None:
    path = tmp_path / "b"
    write_bundle(path, encoder(1, WEIGHTS))
    path.rename(tmp_path / ".b.old")
    assert write_bundle(path, head(1)).manifest.precisions == ("fp32",)
    shutil.copytree(path, tmp_path / ".b.old")
    assert write_bundle(path, head(1)).manifest.precisions == ("fp32",)
    assert [entry.name for entry in tmp_path.iterdir()] == ["b"]


def test_what_only_looks_like_a_killed_exports_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / ".b.old" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    # As on file systems that cannot exchange two names.
    monkeypatch.setattr(atomic, "_exchange", lambda *_: False)
    write_bundle(tmp_path / "b", head(1))
    check_place(tmp_path / "b")
    assert write_bundle(tmp_path / "b", encoder(1, WEIGHTS)).manifest.head is not None
    assert mine.read_text() == "mine"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [".b.old", "b"]
    with pytest.raises(BundleError):
        check_place(Path("/"))


def test_a_folder_that_others_keep_locked_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic, "LOCK_SECONDS", 0.2)
    with atomic.sole_writer(tmp_path / "other"):
        check_place(tmp_path / "b")
        with pytest.raises(OutputError, match="another program keeps its folder locked"):
            write_bundle(tmp_path / "b", head(1))
    write_bundle(tmp_path / "b", head(1))


def test_a_place_that_cannot_be_written_is_said_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="model cannot be written"):
        check_place(tmp_path / "file" / "model")
    check_place(tmp_path / "new" / "model")
    assert list((tmp_path / "new").iterdir()) == []


def test_a_bundle_is_opened_while_others_replace_it(tmp_path: Path) -> None:
    path = tmp_path / "b"
    write_bundle(path, head(1))
    first = Bundle.open(path)
    states = [
        Path(shutil.copytree(path, tmp_path / "one")),
        write_bundle(tmp_path / "two", head(2), encoder(2, STAND_IN)).root,
    ]

    def replace_it() -> None:
        for number in range(40):
            with new_folder(path) as folder:
                for file in states[number % 2].iterdir():
                    shutil.copy(file, folder)

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(replace_it)
        opened = set()
        while not writing.done():
            opened.add(Bundle.open(path).manifest.version)
        writing.result()
    assert len(opened) == 2
    with pytest.raises(BundleError, match="was replaced since it was opened"):
        first.read(first.find("head"))


def test_the_folder_that_one_is_in_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BundleError, match="is the current folder"):
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
