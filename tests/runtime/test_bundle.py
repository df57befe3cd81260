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
from geograph_types.manifest import decode_manifest, encode_manifest
from geograph_types.thresholds import Thresholds


@pytest.fixture
def copy(head_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(head_bundle, tmp_path / "bundle"))


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


@pytest.mark.parametrize("way", [hard_links, symbolic_links, droppings, archived])
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
    changed = (folder / name).read_bytes().replace(b"\n", b"\r\n")
    for data, named in ((changed, True), (changed.replace(b"e", b"f", 1), False)):
        (folder / name).write_bytes(data)
        with pytest.raises(BundleError) as caught:
            Bundle.open(folder).verify()
        assert ("its line ends were changed, as git does" in str(caught.value)) is named


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


def by_role(manifest: dict) -> dict:
    return {file["role"]: file for file in manifest["files"]}


CHANGES: dict[str, tuple[Callable[[dict], object], str]] = {
    "schema": (lambda m: m.update(schema_version=1), "anew with 'geograph-types bundle build"),
    "classes": (lambda m: m["classes"].reverse(), "classes"),
    "normalised": (lambda m: m["embedding"].update(normalised=True), "embedding"),
    "dimension": (lambda m: m["embedding"].update(dimension=768), "embedding"),
    "buckets": (lambda m: m["distance"].update(buckets=24), "distance"),
    "unknown": (lambda m: m["distance"].update(unknown=0), "distance"),
    "mean": (lambda m: m["preprocessing"].update(mean=[0.5, 0.5, 0.5]), "preprocessing"),
    "crop": (lambda m: m["preprocessing"].update(crop=336), "preprocessing"),
    "threshold missing": (lambda m: m["thresholds"]["known"]["tags"].pop("Inside"), "threshold"),
    "threshold": (lambda m: m["thresholds"]["unknown"]["tags"].update(Inside=1.5), "threshold"),
    "extra field": (lambda m: m.update(comment="hi"), "unknown field"),
    "file twice": (lambda m: m["files"].append(m["files"][0]), "twice"),
    "no source": (lambda m: m.update(head=None), "no source"),
    "digest": (lambda m: m["files"][0].update(sha256="abc"), "SHA-256"),
    "path up": (lambda m: m["files"][0].update(path="../head.onnx"), "is not named"),
    "path absolute": (lambda m: m["files"][0].update(path="/etc/passwd"), "is not named"),
    "path empty": (lambda m: m["files"][0].update(path=""), "is not named"),
    "path dots": (lambda m: m["files"][0].update(path=".."), "is not named"),
    "inputs": (lambda m: by_role(m)["head"]["inputs"].reverse(), "not those of a head"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_manifest_with_another_contract_is_refused(copy: Path, name: str) -> None:
    change, word = CHANGES[name]
    manifest = json.loads((copy / "manifest.json").read_text())
    change(manifest)
    (copy / "manifest.json").write_text(json.dumps(manifest))
    message = refusal(copy)
    assert "manifest.json is refused" in message
    assert word in message


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


def test_without_memfd_in_a_folder(head_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
        assert bundle.thresholds(threshold) == Thresholds.uniform(threshold)
    for wrong in (-0.01, 1.01, math.nan, math.inf):
        with pytest.raises(InputError, match=f"^threshold {wrong} is not between 0 and 1$"):
            bundle.thresholds(wrong)


def said_of(path: Path, act: Callable[[], object]) -> str:
    with pytest.raises(BundleError) as caught:
        act()
    assert caught.value.path == path
    return str(caught.value).removeprefix(f"bundle {path}: ")


AGAIN = "export or copy the bundle again"


def test_refusals_name_the_place_the_problem_and_the_next_step(copy: Path, tmp_path: Path) -> None:
    nowhere, head = tmp_path / "nowhere", copy / "head.onnx"
    make_one = "make one with 'geograph-types export encoder --bundle DIR'"
    assert said_of(nowhere, lambda: Bundle.open(nowhere)) == f"there is no such folder; {make_one}"
    a_file = "is a file: a bundle is a folder with a manifest.json"
    assert said_of(head, lambda: Bundle.open(head)) == a_file
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
    for size in (file.size + 1, file.size - 1):
        head.write_bytes((data + b"?")[:size])
        another_size = f"{size} bytes instead of {file.size}; {AGAIN}"
        assert said_of(head, lambda: Bundle.open(copy)) == another_size
    head.unlink()
    assert said_of(copy, lambda: Bundle.open(copy)) == f"missing file head.onnx; {AGAIN}"
    assert said_of(copy, lambda: bundle.read(file)) == f"has no head.onnx; {AGAIN}"
    head.mkdir()
    no_file = "is not a file; copy the bundle's files themselves"
    assert said_of(head, lambda: Bundle.open(copy)) == no_file
    manifest = copy / "manifest.json"
    manifest.write_text("{")
    assert said_of(copy, lambda: Bundle.open(copy)).startswith("manifest.json is refused: ")
    manifest.write_bytes(b" " * ((1 << 20) + 1))
    too_large = f"is larger than {1 << 20} bytes; {AGAIN}"
    assert said_of(manifest, lambda: Bundle.open(copy)) == too_large
    manifest.unlink()
    assert said_of(copy, lambda: Bundle.open(copy)).startswith("has no manifest.json")


@pytest.mark.parametrize(
    ("kind", "command"),
    [
        ("fp32 encoder", "encoder"),
        ("int8 encoder", "encoder --precision int8"),
        ("fp16 tagger", "encoder --precision fp16"),
        ("encoder", "encoder"),
    ],
)
def test_what_is_missing_has_its_command(head_bundle: Path, kind: str, command: str) -> None:
    *precision, role = kind.split()
    said = said_of(head_bundle, lambda: Bundle.open(head_bundle).find(role, *precision))  # type: ignore[arg-type]
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
