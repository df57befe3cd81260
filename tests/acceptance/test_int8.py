"""An int8 encoder that has passed its gate, from the command to the vectors that it gives."""

import shutil
from pathlib import Path

import numpy as np

from geograph_types import Bundle, TypeTagger
from geograph_types.cli.main import main
from geograph_types.preprocess import preprocess
from geograph_types_trainer.scenes import draw_scenes

GATE_MEAN, GATE_FIRST_PERCENTILE, GATE_FLIPPED = 0.995, 0.985, 0.01
UNSEEN_SEED = 77


def test_int8_keeps_to_its_gate_on_scenes_that_it_was_not_fitted_to(
    bundle: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    command = ["export", "encoder", "--weights", "random:0", "--precision", "int8"]
    assert main([*command, "--bundle", str(folder)]) == 0
    said = next(f for f in Bundle.open(folder).manifest.fidelity if f.path == "visual.int8.onnx")
    assert (said.centred_cosine_mean or 0) >= GATE_MEAN
    assert (said.centred_cosine_p1 or 0) >= GATE_FIRST_PERCENTILE
    assert said.flipped_tags is not None
    assert said.flipped_tags <= GATE_FLIPPED
    pixels = np.stack([preprocess(scene) for scene in draw_scenes(35, UNSEEN_SEED)])
    int8 = TypeTagger(folder, precision="int8", threads=1)
    exact = TypeTagger(folder, precision="fp32").embed_pixels(pixels)
    found = int8.embed_pixels(pixels)
    centred = exact - exact.mean(axis=0), found - exact.mean(axis=0)
    norms = np.linalg.norm(centred[0], axis=1) * np.linalg.norm(centred[1], axis=1)
    cosines = (centred[0] * centred[1]).sum(axis=1) / norms
    assert cosines.mean() >= GATE_MEAN
    alone = np.concatenate([int8.embed_pixels(photo[None]) for photo in pixels])
    assert np.array_equal(alone, found)
