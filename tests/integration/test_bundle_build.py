"""`bundle build`: from the name of a released head to a bundle that works."""

import functools
import hashlib
import json
import re
import shutil
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from loopback import Handler, served

from geograph_types import CLASSES
from geograph_types.cli.main import main
from geograph_types.distance.distance import bucket_text
from geograph_types_export import released
from geograph_types_export.weights import load

README = Path(__file__).parents[2] / "README.md"
STAND_IN = ["--weights", "random:0", "--precision", "fp32"]


def serving(folder: Path) -> AbstractContextManager[str]:
    """Serve a folder on loopback, as the simplest mirror there is."""

    class Mirror(Handler):
        def do_GET(self) -> None:
            file = folder / self.path.removeprefix("/")
            self.start(200 if file.is_file() else 404)
            if file.is_file():
                self.wfile.write(file.read_bytes())

    return served(Mirror)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv("GEOGRAPH_TYPES_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GEOGRAPH_TYPES_MIRROR", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("pooch.core.time.sleep", lambda _: None)
    return tmp_path / "cache"


@pytest.fixture(autouse=True)
def small_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two layers in place of twelve: what is built here has the same parts."""
    monkeypatch.setattr(load, "stand_in_tower", functools.partial(load.stand_in_tower, layers=2))


@pytest.fixture
def publish(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the untrained head be release v1, at an address where nothing can be."""
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    monkeypatch.setattr(released, "DIGESTS", {"v1": digest})
    monkeypatch.setattr(released, "file_of", lambda name: checkpoint.name)
    monkeypatch.setattr(released, "GEOGRAPH", "http://127.0.0.1:1/heads")


def build(bundle: Path, head: str, *options: str) -> int:
    return main(["bundle", "build", "--head", head, *options, "--bundle", str(bundle)])


def error_line(capsys: pytest.CaptureFixture[str]) -> str:
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    return lines[0]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_line_of_the_readme_gives_what_both_exports_give(
    two_layer_bundle: Path, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (line,) = re.findall(r"^geograph-types (bundle build .+)$", README.read_text(), re.MULTILINE)
    # A stand-in of a release, and weights that nobody has to fetch.
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    monkeypatch.setattr(released, "DIGESTS", {"v2.3": digest})
    monkeypatch.setattr(released, "file_of", lambda name: checkpoint.name)
    line = line.replace("--weights openai --precision int8", " ".join(STAND_IN))
    monkeypatch.chdir(tmp_path)
    with serving(checkpoint.parent) as address:
        monkeypatch.setenv("GEOGRAPH_TYPES_MIRROR", address)
        assert main(line.split()) == 0
    assert contents(tmp_path / "model") == contents(two_layer_bundle)


@pytest.mark.usefixtures("publish")
def test_a_released_head_alone_is_exported_and_checked_by_its_name(
    head_bundle: Path, checkpoint: Path, cache: Path, tmp_path: Path
) -> None:
    cache.mkdir()
    shutil.copy(checkpoint, cache)
    assert main(["export", "head", "released:v1", "--bundle", str(tmp_path / "b")]) == 0
    assert contents(tmp_path / "b") == contents(head_bundle)
    assert main(["export", "verify", str(tmp_path / "b"), "--head", "released:v1"]) == 0


@pytest.mark.usefixtures("publish")
def test_without_a_network_the_error_says_what_to_put_where(
    checkpoint: Path, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build(tmp_path / "b", "released:v1", *STAND_IN) == 2
    line = error_line(capsys)
    for part in (checkpoint.name, "http://127.0.0.1:1/heads/", f"copy it into {cache}"):
        assert part in line
    assert not (tmp_path / "b").exists()


def test_a_mirror_that_lies_is_found_out_by_the_pinned_digest(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "best_geograph_model_v2.3.pth"
    (tmp_path / name).write_bytes(b"another head")
    with serving(tmp_path) as address:
        monkeypatch.setenv("GEOGRAPH_TYPES_MIRROR", address)
        assert build(tmp_path / "b", "released:v2.3", *STAND_IN) == 2
    line = error_line(capsys)
    assert hashlib.sha256(b"another head").hexdigest() in line
    assert "e720cc96f844980918c2e6b6cbef52e549a137b128d03d7317efe2dfc17f6dd3" in line
    assert f"{address}/{name}" in line
    assert not (cache / name).exists()
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("head", "options", "message"),
    [
        ("released:v9", STAND_IN, "there are v1, v2, v2.1, v2.3"),
        ("missing.pth", STAND_IN, "missing.pth is refused: there is no such file"),
        ("CHECKPOINT", ["--weights", "missing.pt"], "weights missing.pt: there is no such file"),
        ("CHECKPOINT", [*STAND_IN, "--calibration", "."], "goes with --precision int8"),
    ],
)
def test_whatever_is_wrong_costs_a_line_and_leaves_the_bundle_as_it_was(
    head_bundle: Path,
    checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    head: str,
    options: list[str],
    message: str,
) -> None:
    bundle = Path(shutil.copytree(head_bundle, tmp_path / "b"))
    assert build(bundle, head.replace("CHECKPOINT", str(checkpoint)), *options) == 2
    assert message in error_line(capsys)
    assert contents(bundle) == contents(head_bundle)


def test_a_folder_that_is_no_bundle_is_refused_before_anything_is_fetched(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"photo")
    assert build(tmp_path / "photos", "released:v1", *STAND_IN) == 2
    assert "manifest.json" in error_line(capsys)
    assert not cache.exists()


def test_a_released_head_scores_as_published(
    reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heads = reference / "released-heads"
    expected = json.loads((heads / "expected.json").read_text())
    texts = [bucket_text(bucket) for bucket in expected["distance_bucket"]]
    (tmp_path / "distances.txt").write_text("\n".join(texts) + "\n")
    with serving(heads) as address:
        monkeypatch.setenv("GEOGRAPH_TYPES_MIRROR", address)
        assert build(tmp_path / "b", "released:v1", *STAND_IN) == 0
    arguments = ["score", str(heads / "inputs.npy"), "--bundle", str(tmp_path / "b")]
    arguments += ["--distances", str(tmp_path / "distances.txt")]
    assert main([*arguments, "--out", str(tmp_path / "scores.jsonl")]) == 0
    rows = map(json.loads, (tmp_path / "scores.jsonl").read_text().splitlines())
    computed = [[row["probabilities"][name] for name in CLASSES] for row in rows]
    assert np.abs(np.array(computed) - expected["probabilities"]["v1"]).max() <= 1e-6


@pytest.mark.parametrize("command", ["bundle build --head released:v1", "export encoder"])
def test_without_onnxruntime_nothing_is_fetched_or_loaded(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert main([*command.split(), *STAND_IN, "--bundle", str(tmp_path / "b")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "pip install 'geograph-types[cpu]'" in line
    assert not (tmp_path / "b").exists()
