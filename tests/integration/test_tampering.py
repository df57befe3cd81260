"""Whatever is done to a bundle's files, onnxruntime never sees a model that was not vouched for."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from geograph_types import Bundle, TypeTagger
from geograph_types.errors import BundleError

FLIPS = int(os.environ.get("GEOGRAPH_TYPES_FLIPS", "40"))
MODELS = ("visual.fp32.onnx", "head.onnx", "tagger.fp32.onnx")


@pytest.fixture(scope="module")
def folder(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle to be damaged and mended again."""
    return Path(shutil.copytree(tiny_bundle, tmp_path_factory.mktemp("tampering") / "bundle"))


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """What onnxruntime was asked to load."""
    loaded: list[object] = []
    real = onnxruntime.InferenceSession

    def load(model: object, *rest: object, **options: object) -> object:
        loaded.append(model)
        return real(model, *rest, **options)

    monkeypatch.setattr(onnxruntime, "InferenceSession", load)
    yield loaded


def load_all(folder: Path) -> None:
    """Use a bundle as a caller does, and read every model in it."""
    tagger = TypeTagger(folder, precision="fp32")
    tagger.bundle.verify()
    vectors = tagger.embed_pixels(np.full((1, 224, 224, 3), 90, np.uint8))
    tagger.score(vectors, [None])


def refused(folder: Path, seen: list[object]) -> str:
    with pytest.raises(BundleError) as caught:
        load_all(folder)
    assert not seen
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_untouched_bundle_is_loaded(folder: Path, seen: list[object]) -> None:
    load_all(folder)
    assert len(seen) == 2


def flip(path: Path, place: int, bit: int) -> None:
    with path.open("r+b") as stream:
        stream.seek(place)
        byte = stream.read(1)[0]
        stream.seek(place)
        stream.write(bytes([byte ^ (1 << bit)]))


def test_a_flipped_bit_anywhere(folder: Path, seen: list[object]) -> None:
    rng = np.random.default_rng(7)
    names = sorted(path.name for path in folder.iterdir())
    assert len(names) == 5
    for number in range(FLIPS):
        path = folder / names[number % len(names)]
        place, bit = int(rng.integers(path.stat().st_size)), int(rng.integers(8))
        flip(path, place, bit)
        with pytest.raises(BundleError):
            bundle = Bundle.open(folder)
            if path.name in MODELS:
                file = next(f for f in bundle.manifest.files if f.path == path.name)
                with bundle.model(file):
                    pass
            else:
                bundle.verify()
        flip(path, place, bit)
    assert not seen
    load_all(folder)


Damage = Callable[[Path], None]


def swap_names(folder: Path, one: str, other: str) -> None:
    (folder / one).rename(folder / "aside")
    (folder / other).rename(folder / one)
    (folder / "aside").rename(folder / other)


def truncate(folder: Path) -> None:
    path = folder / "visual.fp32.onnx"
    os.truncate(path, path.stat().st_size // 2)


def append(folder: Path) -> None:
    with (folder / "head.onnx").open("ab") as stream:
        stream.write(b"\0")


def linked(folder: Path) -> None:
    """Damage a file elsewhere, to which a link leads."""
    target = folder.parent / "visual"
    (folder / "visual.fp32.onnx").rename(target)
    (folder / "visual.fp32.onnx").symlink_to(target)
    flip(target, 1000, 3)


def edit(folder: Path, change: Callable[[dict], object]) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest, indent=2) + "\n")


def escape(folder: Path) -> None:
    edit(folder, lambda manifest: manifest["files"][1].update(path="../../etc/passwd"))


def contract(folder: Path) -> None:
    edit(folder, lambda manifest: manifest["embedding"].update(normalised=True))


def threshold(folder: Path) -> None:
    edit(folder, lambda manifest: manifest["thresholds"]["known"]["tags"].update(Inside=0.1))


DAMAGES: dict[str, tuple[Damage, str]] = {
    "truncated": (truncate, "bytes instead of"),
    "appended": (append, "bytes instead of"),
    "missing": (lambda folder: (folder / "head.onnx").unlink(), "missing file head.onnx"),
    "extra": (lambda folder: (folder / "notes.txt").write_text("hi") and None, "unknown file"),
    "renamed": (
        lambda folder: (folder / "head.onnx").rename(folder / "Head.onnx") and None,
        "missing file head.onnx",
    ),
    "swapped": (
        lambda folder: swap_names(folder, "visual.fp32.onnx", "tagger.fp32.onnx"),
        "bytes instead of",
    ),
    "damaged behind a link": (linked, "digest"),
    "path out of the folder": (escape, "is not named"),
    "another contract": (contract, "embedding"),
    "another threshold": (threshold, "digest"),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_tampering_is_refused(kind: str, folder: Path, seen: list[object], tmp_path: Path) -> None:
    damage, word = DAMAGES[kind]
    copy = tmp_path / "bundle"
    shutil.copytree(folder, copy)
    damage(copy)
    assert word in refused(copy, seen)
