"""A bundle is what its manifest says, to the last byte, or it is refused before it is parsed."""

import json
import math
import os
import shutil
import subprocess
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from geograph_types import Bundle, TypeTagger
from geograph_types.errors import BundleError, InputError
from geograph_types.manifest import Precision, Role, decode_manifest, encode_manifest
from geograph_types.taxonomy import CLASSES


@pytest.fixture
def copy(head_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(head_bundle, tmp_path / "bundle"))


def edit(folder: Path, change: Callable[[dict], None]) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def refusal(folder: Path) -> str:
    with pytest.raises(BundleError) as caught:
        TypeTagger(folder).score(np.ones((1, 512)), [None])
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_untouched_bundle_opens_and_verifies(head_bundle: Path) -> None:
    bundle = Bundle.open(head_bundle)
    bundle.verify()
    assert bundle.manifest.find("encoder", "fp32") is None
    assert bundle.manifest.find("head") is not None
    assert not bundle.is_stand_in
    assert Bundle.open(bundle) is bundle


def test_a_manifest_is_written_as_it_was_read(head_bundle: Path) -> None:
    data = (head_bundle / "manifest.json").read_bytes()
    assert encode_manifest(decode_manifest(data)) == data


def test_any_flipped_bit_of_a_model_is_noticed(copy: Path) -> None:
    path = copy / "head.onnx"
    good = path.read_bytes()
    rng = np.random.default_rng(2)
    bundle = Bundle.open(copy)
    file = bundle.find("head")
    for place in rng.integers(0, len(good), 50):
        damaged = bytearray(good)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        with pytest.raises(BundleError, match="its digest differs"):
            bundle.read(file)


def test_missing_and_unknown_files_are_refused(copy: Path, tmp_path: Path) -> None:
    assert "there is no such folder" in refusal(tmp_path / "nowhere")
    (copy / "notes.txt").write_text("hello")
    assert "unknown file notes.txt" in refusal(copy)
    (copy / "notes.txt").unlink()
    (copy / "head.onnx").unlink()
    assert "missing file head.onnx" in refusal(copy)
    (copy / "manifest.json").unlink()
    assert "has no manifest.json" in refusal(copy)


def test_files_of_another_size_are_refused(copy: Path) -> None:
    path = copy / "head.onnx"
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    assert f"{len(data) - 1} bytes instead of {len(data)}" in refusal(copy)
    path.write_bytes(data + b"\0")
    assert f"{len(data) + 1} bytes instead of {len(data)}" in refusal(copy)


def hard_links(folder: Path, copy: Path) -> None:
    subprocess.run(["cp", "-al", folder, copy], check=True)


def symbolic_links(folder: Path, copy: Path) -> None:
    subprocess.run(["cp", "-rs", folder, copy], check=True)


def droppings(folder: Path, copy: Path) -> None:
    shutil.copytree(folder, copy)
    for name in (".DS_Store", "._head.onnx", "Thumbs.db", "desktop.ini", ".gitattributes"):
        (copy / name).write_bytes(b"left behind")


def archived(folder: Path, copy: Path) -> None:
    shutil.unpack_archive(shutil.make_archive(str(copy), "zip", folder), copy)


COPIES = (hard_links, symbolic_links, droppings, archived)


@pytest.mark.parametrize("way", COPIES)
def test_a_bundle_may_be_copied_in_any_way_and_every_byte_counts(
    tiny_bundle: Path, tmp_path: Path, way: Callable[[Path, Path], None]
) -> None:
    original, copied = tmp_path / "original", tmp_path / "copied"
    shutil.copytree(tiny_bundle, original)
    way(original, copied)
    for folder in (original, copied):
        tagger = TypeTagger(folder)
        tagger.bundle.verify()
        assert tagger.embed_pixels(np.zeros((1, 224, 224, 3), np.uint8)).shape == (1, 512)
    for name in sorted(path.name for path in original.iterdir()):
        good = (copied / name).read_bytes()
        for place in (0, len(good) // 2, len(good) - 1):
            (copied / name).write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
            with pytest.raises(BundleError):
                Bundle.open(copied).verify()
        (copied / name).write_bytes(good)


@pytest.mark.parametrize("name", ["manifest.json", "MODEL_CARD.md"])
def test_line_ends_changed_by_git_are_named(tiny_bundle: Path, tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data.replace(b"\n", b"\r\n"))
    with pytest.raises(BundleError, match="its line ends were changed, as git does"):
        Bundle.open(folder).verify()
    (folder / name).write_bytes(data.replace(b"\n", b"\r\n").replace(b"e", b"f", 1))
    with pytest.raises(BundleError) as caught:
        Bundle.open(folder).verify()
    assert "line ends" not in str(caught.value)


def test_what_is_not_a_file_is_refused_and_not_waited_for(copy: Path, tmp_path: Path) -> None:
    path = copy / "head.onnx"
    path.unlink()
    os.mkfifo(path)
    assert "is not a file" in refusal(copy)
    path.unlink()
    path.symlink_to(tmp_path / "nowhere")
    assert "has no head.onnx" in refusal(copy)
    path.unlink()
    path.symlink_to("/dev/zero")
    assert "is not a file" in refusal(copy)


def test_a_manifest_that_grew_is_not_read(copy: Path) -> None:
    os.truncate(copy / "manifest.json", 1 << 28)
    tracemalloc.start()
    try:
        assert "larger than" in refusal(copy)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 24


@pytest.mark.parametrize("text", ["", "{", "[]", '"text"', "null", '{"schema_version": 1}', "\xff"])
def test_manifests_that_are_none_are_refused(copy: Path, text: str) -> None:
    (copy / "manifest.json").write_bytes(text.encode("latin-1"))
    assert "manifest.json is refused" in refusal(copy)


CHANGES: dict[str, tuple[Callable[[dict], object], str]] = {
    "schema": (lambda m: m.update(schema_version=2), "schema version"),
    "classes": (lambda m: m["classes"].reverse(), "classes"),
    "normalised": (lambda m: m["embedding"].update(normalised=True), "embedding"),
    "dimension": (lambda m: m["embedding"].update(dimension=768), "embedding"),
    "buckets": (lambda m: m["distance"].update(buckets=24), "distance"),
    "unknown": (lambda m: m["distance"].update(unknown=0), "distance"),
    "mean": (lambda m: m["preprocessing"].update(mean=[0.5, 0.5, 0.5]), "preprocessing"),
    "crop": (lambda m: m["preprocessing"].update(crop=336), "preprocessing"),
    "threshold missing": (lambda m: m["thresholds"].pop("Inside"), "threshold"),
    "threshold": (lambda m: m["thresholds"].update(Inside=1.5), "threshold"),
    "extra field": (lambda m: m.update(comment="hi"), "unknown field"),
    "file twice": (lambda m: m["files"].append(m["files"][0]), "twice"),
    "no source": (lambda m: m.update(head=None), "no source"),
    "digest": (lambda m: m["files"][0].update(sha256="abc"), "SHA-256"),
    "path up": (lambda m: m["files"][0].update(path="../head.onnx"), "is not named"),
    "path absolute": (lambda m: m["files"][0].update(path="/etc/passwd"), "is not named"),
    "path empty": (lambda m: m["files"][0].update(path=""), "is not named"),
    "path dots": (lambda m: m["files"][0].update(path=".."), "is not named"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_manifest_with_another_contract_is_refused(copy: Path, name: str) -> None:
    change, word = CHANGES[name]
    edit(copy, lambda manifest: change(manifest) and None)
    message = refusal(copy)
    assert "manifest.json is refused" in message
    assert word in message


def test_graphs_have_the_inputs_and_outputs_of_their_role(copy: Path) -> None:
    def swap(manifest: dict) -> None:
        head = next(file for file in manifest["files"] if file["role"] == "head")
        head["inputs"] = head["inputs"][::-1]

    edit(copy, swap)
    assert "not those of a head" in refusal(copy)


def test_a_manifest_is_a_value(head_bundle: Path) -> None:
    manifest = Bundle.open(head_bundle).manifest
    with pytest.raises(AttributeError):
        manifest.name = "other"  # type: ignore[misc]
    assert msgspec.structs.replace(manifest, name="other").name == "other"


def test_a_model_is_read_from_a_copy_that_nobody_can_change(copy: Path) -> None:
    bundle = Bundle.open(copy)
    file = bundle.find("head")
    original = (copy / "head.onnx").read_bytes()
    with bundle.model(file) as path:
        (copy / "head.onnx").write_bytes(b"\0" * file.size)
        assert path.read_bytes() == original
    assert not path.exists()
    with pytest.raises(BundleError, match="digest"), bundle.model(file):
        pass


def test_without_files_in_memory_the_copy_is_in_a_folder_of_its_own(
    head_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    bundle = Bundle.open(head_bundle)
    with bundle.model(bundle.find("head")) as path:
        assert path.read_bytes() == (head_bundle / "head.onnx").read_bytes()
        assert path.parent.stat().st_mode & 0o777 == 0o700
    assert not path.parent.exists()


def test_what_is_added_to_a_model_later_is_not_copied(copy: Path) -> None:
    bundle = Bundle.open(copy)
    file = bundle.find("head")
    original = (copy / "head.onnx").read_bytes()
    with (copy / "head.onnx").open("ab") as stream:
        stream.write(original)
    with bundle.model(file) as path:
        assert path.read_bytes() == original


def test_a_threshold_is_a_probability_for_all_classes(tiny_bundle: Path) -> None:
    bundle = Bundle.open(tiny_bundle)
    assert bundle.thresholds() == bundle.manifest.thresholds
    for threshold in (0.0, 0.3, 1.0):
        assert bundle.thresholds(threshold) == dict.fromkeys(CLASSES, threshold)
    for wrong in (-0.01, 1.01, math.nan, math.inf):
        with pytest.raises(InputError, match=f"^threshold {wrong} is not between 0 and 1$"):
            bundle.thresholds(wrong)


def said_of(path: Path, act: Callable[[], object]) -> str:
    """What a refusal says of the file or folder that it is about."""
    with pytest.raises(BundleError) as caught:
        act()
    assert caught.value.path == path
    return str(caught.value).removeprefix(f"bundle {path}: ")


AGAIN = "export or copy the bundle again"


def test_refusals_name_the_place_the_problem_and_the_next_step(copy: Path, tmp_path: Path) -> None:
    nowhere, head = tmp_path / "nowhere", copy / "head.onnx"
    assert said_of(nowhere, lambda: Bundle.open(nowhere)) == (
        "there is no such folder; make one with 'geograph-types export encoder --bundle DIR'"
    )
    assert said_of(head, lambda: Bundle.open(head)) == (
        "is a file: a bundle is a folder with a manifest.json"
    )
    (copy / "notes.txt").write_text("hello")
    assert said_of(copy, lambda: Bundle.open(copy)) == "unknown file notes.txt; remove it"
    (copy / "notes.txt").unlink()
    bundle, data = Bundle.open(copy), head.read_bytes()
    file = bundle.find("head")
    head.write_bytes(data[:-1] + b"?")
    differs = f"its digest differs from the manifest's: it is damaged or was changed; {AGAIN}"
    assert said_of(head, bundle.verify) == differs
    head.write_bytes(data + b"?")
    assert said_of(head, lambda: bundle.read(file)) == f"is larger than {file.size} bytes; {AGAIN}"
    assert said_of(head, lambda: Bundle.open(copy)) == (
        f"{file.size + 1} bytes instead of {file.size}; {AGAIN}"
    )
    head.unlink()
    assert said_of(copy, lambda: Bundle.open(copy)) == f"missing file head.onnx; {AGAIN}"
    assert said_of(copy, lambda: bundle.read(file)) == f"has no head.onnx; {AGAIN}"
    head.mkdir()
    assert said_of(head, lambda: Bundle.open(copy)) == (
        "is not a file; copy the bundle's files themselves"
    )
    manifest = copy / "manifest.json"
    manifest.write_text("{")
    assert said_of(copy, lambda: Bundle.open(copy)).startswith("manifest.json is refused: ")
    manifest.write_bytes(b" " * ((1 << 20) + 1))
    assert said_of(manifest, lambda: Bundle.open(copy)) == (
        f"is larger than {1 << 20} bytes; {AGAIN}"
    )


def test_a_bundle_is_named_by_a_path() -> None:
    with pytest.raises(InputError, match=r"^a bundle is a folder's path, not int$"):
        Bundle.open(7)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("role", "precision", "kind", "command"),
    [
        ("encoder", "fp32", "fp32 encoder", "encoder"),
        ("encoder", "int8", "int8 encoder", "encoder --precision int8"),
        ("tagger", "fp16", "fp16 tagger", "encoder --precision fp16"),
        ("encoder", None, "encoder", "encoder"),
    ],
)
def test_what_is_missing_is_named_with_the_command_that_adds_it(
    head_bundle: Path, role: Role, precision: Precision | None, kind: str, command: str
) -> None:
    said = said_of(head_bundle, lambda: Bundle.open(head_bundle).find(role, precision))
    advice = f"'geograph-types export {command} --bundle {head_bundle}'"
    assert said == f"has no {kind}; add one with {advice}"


def test_a_missing_head_is_named_with_its_command(tiny_bundle: Path) -> None:
    whole = Bundle.open(tiny_bundle)
    assert whole.find("encoder", "fp32").precision == "fp32"
    assert whole.find("tagger", "fp32").role == "tagger"
    assert whole.is_stand_in
    assert whole.label == f"{whole.manifest.name} {whole.manifest.version}"
    files = tuple(file for file in whole.manifest.files if file.role == "encoder")
    encoder = msgspec.structs.replace(whole.manifest, files=files, head=None)
    bundle = Bundle(tiny_bundle, encoder)
    assert said_of(tiny_bundle, lambda: bundle.find("head")) == (
        f"has no head; add one with 'geograph-types export head RUN --bundle {tiny_bundle}'"
    )
