"""Fixtures that several folders of tests share: small models, photos and a running service."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import requests
import torch
from onnx import TensorProto

from geograph_types.cli.main import main
from geograph_types.manifest import EncoderSource, Fidelity, HeadSource, tensor_contract
from geograph_types.thresholds import Thresholds
from geograph_types_export.bundle.make import EncoderPart, HeadPart
from geograph_types_export.bundle.write import write_bundle
from geograph_types_export.graphs.builder import GraphBuilder, serialise
from geograph_types_export.weights import load
from geograph_types_trainer.checkpoint.write import save_checkpoint
from geograph_types_trainer.head import TypeHead
from geograph_types_trainer.scenes import write_scenes

PROGRAM = [sys.executable, "-m", "geograph_types.cli"]

REFERENCE = os.environ.get("GEOGRAPH_TYPES_REFERENCE")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out the checks against the reference data where there is none: they are additional."""
    if not REFERENCE:
        items[:] = [item for item in items if "reference" not in getattr(item, "fixturenames", ())]


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of reference data that GEOGRAPH_TYPES_REFERENCE names."""
    return Path(REFERENCE or "")


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that the first process to ask for it makes and all others wait for."""
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    with open(root / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (root / name).exists():
            unfinished = factory.mktemp(name) / name
            make(unfinished)
            unfinished.rename(root / name)
    return root / name


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained head in the form in which Geograph releases its own."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        head = TypeHead()
    path = tmp_path_factory.mktemp("checkpoint") / "head.pth"
    save_checkpoint(head.eval(), path, epoch=3, loss=0.5)
    return path


@pytest.fixture(scope="session")
def head_bundle(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with a head and no encoder; not to be changed."""
    folder = tmp_path_factory.mktemp("head-bundle") / "bundle"
    assert main(["export", "head", str(checkpoint), "--bundle", str(folder)]) == 0
    return folder


@pytest.fixture(scope="session")
def bundle(head_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with an untrained head and an encoder that takes no time; not to be changed."""
    folder = Path(shutil.copytree(head_bundle, tmp_path_factory.mktemp("bundle") / "bundle"))
    write_bundle(folder, tiny_encoder_part(0))
    return folder


@pytest.fixture(scope="session")
def two_layer_bundle(head_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with an untrained head and CLIP's architecture, with 2 blocks in place of 12."""

    def make(folder: Path) -> None:
        shutil.copytree(head_bundle, folder)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(load, "stand_in_tower", partial(load.stand_in_tower, layers=2))
            command = ["export", "encoder", "--weights", "random:0"]
            assert main([*command, "--bundle", str(folder)]) == 0

    return made_once(tmp_path_factory, "two-layer-bundle", make)


def tiny_encoder(seed: int) -> bytes:
    """Mean colours of seven strips, mixed at random: an encoder that takes no time or room."""
    graph = GraphBuilder("encoder")
    pixels = graph.node("Cast", "cast", ["pixels"], to=TensorProto.FLOAT)
    mean = graph.node("ReduceMean", "mean", [pixels, graph.integers(1)], keepdims=0)
    strips = graph.node("Reshape", "strips", [mean, graph.integers(-1, 7, 32, 3)])
    colours = graph.node("ReduceMean", "colours", [strips, graph.integers(2)], keepdims=0)
    row = graph.node("Reshape", "row", [colours, graph.integers(-1, 21)])
    weight = np.random.default_rng(seed).normal(0, 0.006, (21, 512)).astype(np.float32)
    graph.node("MatMul", "product", [row, graph.constant("w", weight)], outputs=["image_embeds"])
    return serialise(graph.model(*tensor_contract("encoder")))


def tiny_encoder_part(seed: int) -> EncoderPart:
    fidelity = Fidelity("visual.fp32.onnx", "torch", 32, 0.999999, 2e-6)
    source = EncoderSource(f"random:{seed}", "b" * 64, stand_in=True)
    return EncoderPart(tiny_encoder(seed), "fp32", source, fidelity)


def tiny_head(seed: int) -> bytes:
    """Random weights for embedding and bucket."""
    graph = GraphBuilder("head")
    rng = np.random.default_rng(seed)
    weight = graph.constant("weight", rng.normal(0, 0.03, (512, 7)).astype(np.float32))
    table = graph.constant("table", rng.normal(0, 1, (23, 7)).astype(np.float32))
    seen = graph.node("MatMul", "seen", ["image_embeds", weight])
    bias = graph.node("Gather", "bias", [table, "distance_bucket"])
    logits = graph.node("Add", "sum", [seen, bias], outputs=["logits"])
    graph.node("Sigmoid", "sigmoid", [logits], outputs=["probabilities"])
    return serialise(graph.model(*tensor_contract("head")))


def write_tiny_bundle(
    folder: Path, encoder: int = 0, head: int = 0, thresholds: Thresholds | None = None
) -> Path:
    """Write a real bundle of a tenth of a megabyte, which loads and runs in milliseconds."""
    write_bundle(folder, tiny_encoder_part(encoder))
    fidelity = Fidelity("head.onnx", "torch", 736, None, 2e-7)
    thresholds = thresholds or Thresholds.uniform(0.6)
    source_of_head = HeadSource(f"run {head}", "c" * 64)
    write_bundle(folder, HeadPart(tiny_head(head), source_of_head, fidelity, thresholds))
    return folder


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle for tests that need many runs and no meaning; not to be changed."""
    return write_tiny_bundle(tmp_path_factory.mktemp("tiny") / "bundle")


@pytest.fixture(scope="session")
def another_bundle() -> Callable[..., Path]:
    """Write a bundle like `tiny_bundle` with other parts: (folder, encoder, head, thresholds)."""
    return write_tiny_bundle


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two drawn photos of each class, with their labels; not to be changed."""

    def make(folder: Path) -> None:
        folder.mkdir()
        write_scenes(folder, per_class=2, seed=3)

    return made_once(tmp_path_factory, "scenes", make)


@pytest.fixture(scope="session")
def photo(scenes: Path) -> Path:
    """One drawn photo."""
    return min(scenes.glob("*.jpg"))


@dataclass(frozen=True)
class RunningService:
    """The command `serve` in a process of its own."""

    process: subprocess.Popen[str]
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def resident_bytes(self) -> int:
        return int(self._status("VmRSS")) * 1024

    def forget_peak(self) -> None:
        """Count the peak from now on; see proc(5)."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def peak_bytes(self) -> int:
        return int(self._status("VmHWM")) * 1024

    def threads(self) -> int:
        return int(self._status("Threads"))

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def wait_until_ready(self) -> None:
        limit = time.monotonic() + 60
        while requests.get(f"{self.url}/ready", timeout=10).status_code != 200:
            assert time.monotonic() < limit, "the model was not loaded within a minute"
            time.sleep(0.02)

    def _status(self, name: str) -> str:
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        (found,) = re.findall(rf"^{name}:\s+(\d+)", text, re.MULTILINE)
        return str(found)


@pytest.fixture(scope="module")
def start_service() -> Iterator[Callable[..., RunningService]]:
    """Start `geograph-types serve` on a free port: (bundle, *options); stopped after the module."""
    started: list[subprocess.Popen[str]] = []

    def start(bundle: Path, *options: str, program: list[str] = PROGRAM) -> RunningService:
        command = [*program, "serve", "--bundle", str(bundle), "--port", "0", *options]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stderr is not None
        for line in process.stderr:
            if found := re.search(r"listening on http://\S+:(\d+)", line):
                service = RunningService(process, int(found[1]))
                service.wait_until_ready()
                return service
        raise AssertionError(f"the service did not start: exit status {process.wait()}")

    yield start
    for process in started:
        process.terminate()
        try:
            process.wait(20)
        finally:
            process.kill()
            if process.stderr is not None:
                process.stderr.close()
