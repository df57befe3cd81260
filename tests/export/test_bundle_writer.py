from pathlib import Path

import pytest

from geograph_types.bundle import Bundle
from geograph_types.errors import BundleError
from geograph_types.manifest import EncoderSource, Fidelity, HeadSource, Precision
from geograph_types.taxonomy import CLASSES
from geograph_types_export.bundle_writer import EncoderPart, HeadPart, write_bundle

WEIGHTS = EncoderSource("openai", "a" * 64, stand_in=False)
STAND_IN = EncoderSource("random:0", "b" * 64, stand_in=True)


def encoder(model: bytes, source: EncoderSource, precision: Precision = "fp32") -> EncoderPart:
    path = f"visual.{precision}.onnx"
    return EncoderPart(model, precision, source, Fidelity(path, "torch", 32, 0.999999, 2e-6))


def head(model: bytes, thresholds: dict[str, float] | None = None) -> HeadPart:
    source = HeadSource("run", "c" * 64, metrics={"validation_macro_f1": 0.9})
    fidelity = Fidelity("head.onnx", "torch", 736, None, 2e-7)
    return HeadPart(model, source, fidelity, thresholds or dict.fromkeys(CLASSES, 0.5))


def files(bundle: Bundle) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in bundle.root.iterdir()}


def test_parts_are_added_and_the_rest_stays(tmp_path: Path) -> None:
    path = tmp_path / "model"
    write_bundle(path, encoder(b"fp32", WEIGHTS))
    write_bundle(path, head(b"head", dict.fromkeys(CLASSES, 0.4)))
    bundle = write_bundle(path, encoder(b"fp16", WEIGHTS, "fp16"))
    bundle.verify()
    assert bundle.manifest.precisions == ("fp16", "fp32")
    assert bundle.read(bundle.find("encoder", "fp32")) == b"fp32"
    assert bundle.read(bundle.find("head")) == b"head"
    assert set(bundle.manifest.thresholds.values()) == {0.4}
    assert len(bundle.manifest.fidelity) == 3
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


def test_encoders_of_other_weights_are_not_mixed(tmp_path: Path) -> None:
    write_bundle(tmp_path / "b", encoder(b"fp32", STAND_IN))
    write_bundle(tmp_path / "b", encoder(b"fp16", STAND_IN, "fp16"))
    bundle = write_bundle(tmp_path / "b", encoder(b"real", WEIGHTS))
    assert bundle.manifest.precisions == ("fp32",)
    assert bundle.manifest.encoder == WEIGHTS
    assert [fidelity.path for fidelity in bundle.manifest.fidelity] == ["visual.fp32.onnx"]


def test_the_same_parts_give_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    write_bundle(tmp_path / "a", encoder(b"fp32", WEIGHTS))
    one = write_bundle(tmp_path / "a", head(b"head"))
    write_bundle(tmp_path / "b", head(b"older head"))
    write_bundle(tmp_path / "b", head(b"head"))
    other = write_bundle(tmp_path / "b", encoder(b"fp32", WEIGHTS))
    at_once = write_bundle(tmp_path / "c", encoder(b"fp32", WEIGHTS), head(b"head"))
    assert files(one) == files(other) == files(at_once)
    changed = write_bundle(tmp_path / "b", head(b"newer head"))
    assert changed.manifest.version != one.manifest.version


def test_the_card_says_what_the_bundle_is(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "b", encoder(b"fp32", STAND_IN))
    card = (bundle.root / "MODEL_CARD.md").read_text()
    assert "The encoder is a stand-in" in card
    assert "CC BY-SA 4.0" in card and "Not measured" in card
    bundle = write_bundle(tmp_path / "b", encoder(b"fp32", WEIGHTS))
    bundle = write_bundle(tmp_path / "b", head(b"head"))
    card = (bundle.root / "MODEL_CARD.md").read_text()
    assert "stand-in" not in card
    assert "validation_macro_f1 | 0.9 |" in card


def test_an_interrupted_write_leaves_the_old_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files(write_bundle(tmp_path / "b", encoder(b"fp32", WEIGHTS)))

    def stop(_: Path, __: bytes) -> int:
        raise KeyboardInterrupt

    for target in ("b", "new"):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(Path, "write_bytes", stop)
            write_bundle(tmp_path / target, head(b"head"))
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
            write_bundle(tmp_path / name, head(b"head"))
    assert (photos / "a.jpg").read_bytes() == b"photo"


def test_a_damaged_bundle_is_not_built_upon(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "b", encoder(b"fp32", WEIGHTS))
    (bundle.root / "visual.fp32.onnx").write_bytes(b"fp33")
    with pytest.raises(BundleError, match="digest"):
        write_bundle(tmp_path / "b", head(b"head"))
