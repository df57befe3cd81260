import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pictures import cosines

from geograph_types import Bundle, TypeTagger
from geograph_types.cli.main import main
from geograph_types.preprocess import preprocess
from geograph_types.session import Session
from geograph_types_trainer.checkpoint.write import save_checkpoint
from geograph_types_trainer.head import TypeHead
from geograph_types_trainer.scenes import draw_scenes

GATE_MEAN, GATE_FIRST_PERCENTILE, GATE_FLIPPED = 0.995, 0.985, 0.01
UNSEEN_SEED = 77
LARGEST_FILE = 92_000_000
MOST_RESIDENT = 220_000_000
BATCHES, LARGEST_BATCH = 200, 64


@pytest.fixture(scope="module")
def pixels() -> NDArray[np.uint8]:
    return np.stack([preprocess(scene) for scene in draw_scenes(LARGEST_BATCH, UNSEEN_SEED)])


def test_it_keeps_to_its_gate_elsewhere(int8_bundle: Path, pixels: NDArray[np.uint8]) -> None:
    said = next(
        f for f in Bundle.open(int8_bundle).manifest.fidelity if f.path == "visual.int8.onnx"
    )
    assert (said.centred_cosine_mean or 0) >= GATE_MEAN
    assert (said.centred_cosine_p1 or 0) >= GATE_FIRST_PERCENTILE
    assert said.flipped_tags <= GATE_FLIPPED
    assert (int8_bundle / "visual.int8.onnx").stat().st_size <= LARGEST_FILE
    exact = TypeTagger(int8_bundle, precision="fp32").embed_pixels(pixels)
    found = TypeTagger(int8_bundle, precision="int8").embed_pixels(pixels)
    mean = exact.mean(axis=0)
    assert cosines(exact - mean, found - mean).mean() >= GATE_MEAN


def test_other_head(int8_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(shutil.copytree(int8_bundle, tmp_path / "bundle"))
    before = (folder / "visual.int8.onnx").read_bytes()
    head = TypeHead().eval()
    with torch.no_grad():
        head.last.bias.fill_(4.0)
    save_checkpoint(head, tmp_path / "sure.pth", epoch=1, loss=0.0)
    assert main(["export", "head", str(tmp_path / "sure.pth"), "--bundle", str(folder)]) == 0
    assert "is not measured with this head" in capsys.readouterr().err
    bundle = Bundle.open(folder)
    said = next(f for f in bundle.manifest.fidelity if f.path == "visual.int8.onnx")
    assert said.flipped_tags is None
    assert (folder / "visual.int8.onnx").read_bytes() == before
    words = ["export", "verify", str(folder), "--head", str(tmp_path / "sure.pth")]
    assert main(words) == 0
    assert "tags flipped: 0.00%" in capsys.readouterr().err


def test_a_process_that_has_tagged_a_photo_is_small(int8_bundle: Path, tmp_path: Path) -> None:
    next(iter(draw_scenes(1, UNSEEN_SEED))).save(tmp_path / "photo.jpg")
    program = (
        "import sys; from pathlib import Path; from geograph_types import TypeTagger; "
        "TypeTagger(sys.argv[1], device='cpu', precision='int8').tag(sys.argv[2]); "
        "print(Path('/proc/self/status').read_text())"
    )
    command = [sys.executable, "-c", program, str(int8_bundle), str(tmp_path / "photo.jpg")]
    (resident,) = re.findall(rb"VmRSS:\s+(\d+)", subprocess.check_output(command))
    assert int(resident) * 1024 <= MOST_RESIDENT


def test_the_same_weights_give_the_same_bytes(int8_bundle: Path, tmp_path: Path) -> None:
    again = Path(shutil.copytree(int8_bundle, tmp_path / "bundle"))
    before = {path.name: path.read_bytes() for path in again.iterdir()}
    command = ["export", "encoder", "--weights", "random:0", "--precision", "int8"]
    assert main([*command, "--bundle", str(again)]) == 0
    assert {path.name: path.read_bytes() for path in again.iterdir()} == before


@pytest.mark.parametrize(("precision", "bound"), [("int8", 0.0), ("fp32", 1e-5)])
def test_a_vector_does_not_depend_on_the_rest_of_its_batch(
    int8_bundle: Path, pixels: NDArray[np.uint8], precision: str, bound: float
) -> None:
    model = int8_bundle / f"visual.{precision}.onnx"
    session = Session(model, "cpu", threads=1)
    alone = session.run("image_embeds", pixels=pixels[:1])[0]
    rng = np.random.default_rng(3)
    for _ in range(BATCHES):
        batch = pixels[rng.permutation(LARGEST_BATCH)[: rng.integers(1, LARGEST_BATCH + 1)]]
        place = int(rng.integers(len(batch)))
        batch[place] = pixels[0]
        found = session.run("image_embeds", pixels=batch)[place]
        assert np.abs(found - alone).max() <= bound
