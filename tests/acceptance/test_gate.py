"""What becomes of a bundle when no int8 encoder is good enough, and how near float16 comes."""

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray

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


def test_what_a_head_needs_stays_in_float32_and_is_said(
    full_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(full_bundle, tmp_path / "bundle"))
    torch.manual_seed(3)
    # Its probabilities are near to one half, so that tags turn with small errors.
    save_checkpoint(TypeHead().eval(), tmp_path / "head.pth", epoch=1, loss=1.0)
    assert main(["export", "head", str(tmp_path / "head.pth"), "--bundle", str(folder)]) == 0
    command = ["export", "encoder", "--weights", "random:0", "--precision", "int8"]
    assert main([*command, "--bundle", str(folder)]) == 0
    (said,) = [f for f in Bundle.open(folder).manifest.fidelity if f.path == "visual.int8.onnx"]
    print(said)
    assert said.flipped_tags is not None
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
    full_bundle: Path, tmp_path: Path, pixels: NDArray[np.uint8], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(full_bundle, tmp_path / "bundle"))
    embeddings = TypeTagger(folder, precision="fp32").embed_pixels(pixels)
    head = capricious_head(embeddings)
    tags = head.probabilities(
        torch.from_numpy(embeddings), torch.full((len(embeddings),), UNKNOWN_BUCKET)
    )
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


def test_float16_is_near_to_float32(
    full_bundle: Path, tmp_path: Path, pixels: NDArray[np.uint8]
) -> None:
    folder = Path(shutil.copytree(full_bundle, tmp_path / "bundle"))
    command = ["export", "encoder", "--weights", "random:0", "--precision", "fp16"]
    assert main([*command, "--bundle", str(folder)]) == 0
    said = {fidelity.path: fidelity for fidelity in Bundle.open(folder).manifest.fidelity}
    assert (said["visual.fp16.onnx"].minimum_cosine or 0) >= LEAST_COSINE
    assert "## Not measured" in (folder / "MODEL_CARD.md").read_text()
    tagger = TypeTagger(folder, precision="fp32")
    exact = tagger.embed_pixels(pixels)
    buckets = np.arange(len(pixels), dtype=np.int64)
    runs = {
        "visual.fp16.onnx": {"pixels": pixels},
        "tagger.fp16.onnx": {"pixels": pixels, "distance_bucket": buckets},
    }
    for name, inputs in runs.items():
        found = Session(folder / name, "cpu").run("image_embeds", **inputs).astype(np.float32)
        norms = np.linalg.norm(found, axis=1) * np.linalg.norm(exact, axis=1)
        cosines = (found * exact).sum(axis=1) / norms
        print(f"{name}: cosine {cosines.min():.6f} at least")
        assert cosines.min() >= LEAST_COSINE
