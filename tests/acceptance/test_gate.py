import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from pictures import cosines

from geograph_types import Bundle, TypeTagger
from geograph_types.cli.main import main
from geograph_types.distance.distance import UNKNOWN_BUCKET
from geograph_types.preprocess import preprocess
from geograph_types.session import Session
from geograph_types_export.int8.tower import product_names
from geograph_types_trainer.checkpoint.write import save_checkpoint
from geograph_types_trainer.head import TypeHead
from geograph_types_trainer.head_weights import DISTANCE_DIMENSION, HIDDEN
from geograph_types_trainer.scenes import draw_scenes

MOST_FLIPPED = 0.01
STEEP, STEP = 20.0, 1e-5
LEAST_COSINE = 0.9999


@pytest.fixture(scope="module")
def pixels() -> NDArray[np.uint8]:
    return np.stack([preprocess(scene) for scene in draw_scenes(14, 5)])


def capricious_head(embeddings: NDArray[np.float32]) -> TypeHead:
    """A head whose tags turn with the least change of an embedding.

    It measures vectors along one direction and gives all tags on every other stripe of 128.
    """
    direction = torch.randn(embeddings.shape[1], generator=torch.Generator().manual_seed(3))
    along = torch.from_numpy(embeddings) @ direction
    edges = torch.linspace(float(along.min()), float(along.max()), HIDDEN // 2)
    steepness = STEEP / float(edges[1] - edges[0])
    signs = torch.tensor([1.0, -1.0]).repeat(HIDDEN // 4)
    head = TypeHead()
    with torch.no_grad():
        # A step is the difference of two ramps, one a little behind the other.
        none = torch.zeros(HIDDEN, DISTANCE_DIMENSION)
        ramps = (direction * steepness).expand(HIDDEN, -1)
        head.first.weight.copy_(torch.cat([ramps, none], dim=1))
        head.first.bias.copy_(torch.cat([-edges * steepness, -edges * steepness - 1]))
        head.last.weight.copy_(torch.cat([signs, -signs]) * STEP)
        head.last.bias.fill_(-STEP / 2)
    return head.eval()


@pytest.fixture
def folder(full_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(full_bundle, tmp_path / "bundle"))


def test_what_a_head_needs_stays_in_float32_and_is_said(
    folder: Path,
    pixels: NDArray[np.uint8],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    torch.manual_seed(3)
    head = TypeHead().eval()
    # Half of its probabilities lie on each side of one half, so that tags turn with small errors.
    embeddings = torch.from_numpy(TypeTagger(folder, precision="fp32").embed_pixels(pixels))
    with torch.no_grad():
        found = head(embeddings, torch.full((len(pixels),), UNKNOWN_BUCKET))
        head.last.bias -= found.median(dim=0).values
    save_checkpoint(head, tmp_path / "head.pth", epoch=1, loss=1.0)
    assert main(["export", "head", str(tmp_path / "head.pth"), "--bundle", str(folder)]) == 0
    command = ["export", "encoder", "--weights", "random:0", "--precision", "int8"]
    assert main([*command, "--bundle", str(folder)]) == 0
    (said,) = [f for f in Bundle.open(folder).manifest.fidelity if f.path == "visual.int8.onnx"]
    print(said)
    assert said.flipped_tags <= MOST_FLIPPED
    assert said.kept_float32
    card = (folder / "MODEL_CARD.md").read_text()
    constants = {i.name for i in onnx.load(folder / "visual.int8.onnx").graph.initializer}
    assert {f"{name}.input_scale" in constants for name in product_names()} == {True, False}
    for name in said.kept_float32:
        assert f"`{name}` (would cost" in card
        assert f"{name}.input_scale" not in constants
    capsys.readouterr()
    command = ["export", "verify", str(folder), "--weights", "random:0"]
    assert main([*command, "--head", str(tmp_path / "head.pth")]) == 0
    assert f"{said.centred_cosine_p1} at the 1st percentile" in capsys.readouterr().err


def test_where_no_encoder_passes_the_gate_there_is_no_file(
    folder: Path, tmp_path: Path, pixels: NDArray[np.uint8], capsys: pytest.CaptureFixture[str]
) -> None:
    embeddings = TypeTagger(folder, precision="fp32").embed_pixels(pixels)
    head = capricious_head(embeddings)
    unknown = torch.full((len(embeddings),), UNKNOWN_BUCKET)
    tags = head.probabilities(torch.from_numpy(embeddings), unknown)
    assert 0.2 < float((tags >= 0.5).float().mean()) < 0.8
    save_checkpoint(head, tmp_path / "head.pth", epoch=1, loss=1.0)
    assert main(["export", "head", str(tmp_path / "head.pth"), "--bundle", str(folder)]) == 0
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    capsys.readouterr()
    command = ["export", "encoder", "--weights", "random:0", "--precision", "int8"]
    assert main([*command, "--bundle", str(folder)]) == 2
    said = capsys.readouterr().err
    print(said)
    assert "error: " in said
    assert "tags flipped" in said
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_float16_is_near(folder: Path, pixels: NDArray[np.uint8]) -> None:
    command = ["export", "encoder", "--weights", "random:0", "--precision", "fp16"]
    assert main([*command, "--bundle", str(folder)]) == 0
    said = {fidelity.path: fidelity for fidelity in Bundle.open(folder).manifest.fidelity}
    assert (said["visual.fp16.onnx"].minimum_cosine or 0) >= LEAST_COSINE
    assert "## Not measured" in (folder / "MODEL_CARD.md").read_text()
    tagger = TypeTagger(folder, precision="fp32")
    exact = tagger.embed_pixels(pixels)
    buckets = np.arange(len(pixels), dtype=np.int64)
    visual = {"pixels": pixels}
    runs = {"visual.fp16.onnx": visual, "tagger.fp16.onnx": visual | {"distance_bucket": buckets}}
    for name, inputs in runs.items():
        found = Session(folder / name, "cpu").run("image_embeds", **inputs).astype(np.float32)
        least = cosines(found, exact).min()
        print(f"{name}: cosine {least:.6f} at least")
        assert least >= LEAST_COSINE
