import math
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from dataset_rows import Row, rows_of, write_lines

from geograph_types.errors import DeviceError, InputError
from geograph_types.thresholds import Thresholds
from geograph_types_trainer.dataset.memory import TrainingData
from geograph_types_trainer.head import TypeHead, dropout_factors
from geograph_types_trainer.recipe import RECIPES, Recipe
from geograph_types_trainer.run import Run
from geograph_types_trainer.training.standardise import Standardisation
from geograph_types_trainer.training.start import resume_run, start_run

RUN_FILES = ["config.toml", "curves.png", "log.csv", "metrics.json", "model.safetensors"]
QUICK = Recipe(epochs=4, seed=7)


QUICKEST = Recipe(epochs=1, seed=7)
PROGRAM = [sys.executable, "-m", "geograph_types.cli"]


class StopError(Exception):
    pass


def ignore(_: object) -> None:
    pass


def stop_after(epochs: int) -> Callable[[Any], None]:
    def stop(record: Any) -> None:
        if record.number == epochs:
            raise StopError

    return stop


def files_of(run: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(run.iterdir())}


@pytest.fixture(scope="module")
def finished(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "finished"
    start_run(dataset, out, QUICK, "cpu", ignore)
    return out


def test_a_run_is_a_folder_that_tells_all(finished: Path, dataset: Path) -> None:
    assert sorted(files_of(finished)) == RUN_FILES
    run = Run.load(finished)
    assert run.recipe == QUICK
    assert run.dataset_sha256 == TrainingData.load(dataset).sha256
    assert run.metrics["epochs"] == 4
    assert run.metrics["validation_micro_f1"] > 0.9
    assert run.thresholds == Thresholds.uniform()
    assert run.configuration["policy"] == "resample"


def test_the_saved_head_is_of_the_released_form(finished: Path, dataset: Path) -> None:
    run = Run.load(finished)
    shapes = {name: tuple(value.shape) for name, value in run.weights.items()}
    assert shapes == {
        "dist_emb.weight": (24, 16),
        "fc.0.weight": (256, 528),
        "fc.0.bias": (256,),
        "fc.3.weight": (7, 256),
        "fc.3.bias": (7,),
    }
    data = TrainingData.load(dataset)
    rows = data.rows_of("val")
    embeddings = torch.from_numpy(data.embeddings[rows].astype(np.float32))
    head = TypeHead.from_weights(run.weights)
    probabilities = head.probabilities(embeddings, torch.from_numpy(data.buckets[rows])).numpy()
    hits = ((probabilities >= 0.5) & (data.labels[rows] > 0)).sum()
    named = (probabilities >= 0.5).sum() + data.labels[rows].sum()
    assert 2 * hits / named == pytest.approx(run.metrics["validation_micro_f1"], abs=1e-6)


def test_the_same_seed_gives_the_same_bytes(finished: Path, dataset: Path, tmp_path: Path) -> None:
    start_run(dataset, tmp_path / "again", QUICK, "cpu", ignore)
    assert files_of(tmp_path / "again") == files_of(finished)
    first, other = (
        start_run(dataset, tmp_path / str(seed), Recipe(epochs=1, seed=seed), "cpu", ignore)
        for seed in (7, 8)
    )
    assert not np.array_equal(first.weights["fc.3.bias"], other.weights["fc.3.bias"])


@pytest.mark.parametrize("epochs", [1, 4])
def test_resumed_runs_are_alike(finished: Path, dataset: Path, tmp_path: Path, epochs: int) -> None:
    out = tmp_path / "run"
    with pytest.raises(StopError):
        start_run(dataset, out, QUICK, "cpu", stop_after(epochs))
    with pytest.raises(InputError, match="unfinished run"):
        Run.load(out)
    (out / ".log.csv.part").touch()  # as a run that was killed leaves it
    seen: list[int] = []
    resume_run(out, lambda record: seen.append(record.number))
    assert seen == list(range(epochs + 1, 5))
    assert files_of(out) == files_of(finished)
    resume_run(out, stop_after(epochs))
    assert files_of(out) == files_of(finished)


KILLS = int(os.environ.get("GEOGRAPH_TYPES_KILLS", "2"))
"""The long version, `make acceptance`, kills ten times."""


def test_kill_and_resume(dataset: Path, tmp_path: Path) -> None:
    """Killed at random moments, from before its first epoch on, it ends with the same bytes."""
    epochs = 4 * KILLS
    whole = tmp_path / "whole"
    start_run(dataset, whole, Recipe(epochs=epochs), "cpu", ignore)
    out = tmp_path / "run"
    settings = ["--out", str(out), "--epochs", str(epochs), "--device", "cpu"]
    start = [*PROGRAM, "train", str(dataset), *settings]
    resume = [*PROGRAM, "train", "--resume", str(out)]
    rng = random.Random(4)
    for kill in range(KILLS):
        command = resume if (out / "config.toml").exists() else start
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        watched = out / ("unfinished.pt" if kill else "config.toml")
        while not watched.exists() and process.poll() is None:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 4 if KILLS > 2 else 1) if kill else 0)
        process.send_signal(signal.SIGKILL)
        process.wait()
    resume_run(out, ignore)
    assert files_of(out) == files_of(whole)


def test_a_resumed_run_needs_its_own_dataset(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(StopError):
        start_run(dataset, tmp_path / "run", QUICK, "cpu", stop_after(1))
    other = write_lines(tmp_path / "other.jsonl", rows_of(200, 3))
    with pytest.raises(InputError, match="digest differs"):
        resume_run(tmp_path / "run", ignore, other)


def test_early_stopping_keeps_the_best_epoch(dataset: Path, tmp_path: Path) -> None:
    recipe = Recipe(epochs=60, patience=2, learning_rate=0.05, schedule="constant", averaging=0.0)
    history: list[Any] = []
    run = start_run(dataset, tmp_path / "run", recipe, "cpu", history.append)
    losses = [record.validation.loss for record in history]
    assert len(history) == int(np.argmin(losses)) + 1 + 2 < 60
    assert run.metrics["validation_loss"] == min(losses)


@pytest.mark.parametrize("name", sorted(RECIPES))
@pytest.mark.parametrize("policy", ["none", "v2.1", "v2.3", "resample"])
def test_recipes_and_policies_learn(dataset: Path, tmp_path: Path, name: str, policy: str) -> None:
    recipe = RECIPES[name].with_settings({"policy": policy, "epochs": 3}, "test")
    run = start_run(dataset, tmp_path / "run", recipe, "cpu", ignore)
    assert run.metrics["validation_micro_f1"] > (0.5 if policy == "v2.3" else 0.8)


def test_the_policy_makes_the_head_read_the_picture(dataset: Path, tmp_path: Path) -> None:
    """Cross Far always comes with a long distance here, so a head may read that alone."""
    data = TrainingData.load(dataset)
    rows = data.rows_of("tes")
    embeddings = torch.from_numpy(data.embeddings[rows].astype(np.float32))
    flips = {}
    for policy in ("none", "resample"):
        recipe = Recipe(policy=policy, epochs=6)  # type: ignore[arg-type]
        trained = start_run(dataset, tmp_path / policy, recipe, "cpu", ignore)
        head = TypeHead.from_weights(trained.weights)
        near = head.probabilities(embeddings, torch.full((len(rows),), 5)) >= 0.5
        far = head.probabilities(embeddings, torch.full((len(rows),), 13)) >= 0.5
        flips[policy] = (near != far).any(dim=1).float().mean().item()
    assert flips["resample"] < flips["none"]


def test_standardisation_folds_away() -> None:
    rng = np.random.default_rng(1)
    embeddings = (rng.normal(size=(3000, 512)) * 0.3 - 2).astype(np.float16)
    embeddings[:, 7] = 1.5
    scaling = Standardisation.of(embeddings, np.arange(3000))
    scaled = scaling(torch.from_numpy(embeddings))
    assert scaled[:, :7].mean(0).abs().max() < 1e-3
    assert (scaled[:, :7].std(0) - 1).abs().max() < 1e-2
    assert torch.isfinite(scaled).all()
    head = TypeHead().eval()
    buckets = torch.from_numpy(rng.integers(0, 23, 3000))
    folded = scaling.folded_into(head)
    raw = folded(torch.from_numpy(embeddings.astype(np.float32)), buckets)
    assert torch.allclose(raw, head(scaled, buckets), atol=1e-4)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5])
def test_dropout_leaves_out_its_share_and_keeps_the_sum(share: float) -> None:
    factors = dropout_factors(4000, 256, share, torch.device("cpu"))
    assert (factors == 0).float().mean(0).sub(share).abs().max() < 0.05
    assert factors.mean() == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("rate", [1e20, float("inf")])
def test_divergence_ends_a_run_at_once(dataset: Path, tmp_path: Path, rate: float) -> None:
    recipe = Recipe(learning_rate=rate, epochs=2)
    with pytest.raises(InputError, match=r"diverged in epoch 1: set a learning_rate below"):
        start_run(dataset, tmp_path / "run", recipe, "cpu", ignore)


@pytest.mark.parametrize(
    "settings", [{"weight_decay": 2000.0}, {"weight_decay": 1e9, "averaging": 0}]
)
def test_later_divergence_ends_it_too(
    dataset: Path, tmp_path: Path, settings: dict[str, Any]
) -> None:
    out, seen = tmp_path / "run", list[Any]()
    recipe = Recipe(epochs=6).with_settings(settings, "test")
    with pytest.raises(InputError, match=r"diverged in epoch \d: set a learning_rate below 0.004"):
        start_run(dataset, out, recipe, "cpu", seen.append)
    assert all(math.isfinite(record.validation.loss) for record in seen)
    with pytest.raises(InputError, match="diverged in epoch"):  # and what was saved is sound
        resume_run(out, ignore)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda row: {"weight": float(row["split"] != "tra")}, "split 'tra' sum to 0.*set weights"),
        (lambda row: {"weight": float(row["split"] != "val")}, "split 'val' sum to 0.*set weights"),
        (lambda row: {"split": "tra"}, "no row in split 'val'"),
    ],
)
def test_rows_that_nothing_can_be_learnt_from(
    change: Callable[[Row], Row], words: str, tmp_path: Path
) -> None:
    source = write_lines(tmp_path / "rows.jsonl", [row | change(row) for row in rows_of(200)])
    with pytest.raises(InputError, match=words):
        start_run(source, tmp_path / "run", QUICK, "cpu", ignore)
    assert not (tmp_path / "run").exists()


def test_weights_of_0_in_the_test_split_or_in_some_rows_do_no_harm(tmp_path: Path) -> None:
    rows = rows_of(400)
    for number, row in enumerate(rows):
        row["weight"] = float(row["split"] != "tes" and number % 2)
    source = write_lines(tmp_path / "rows.jsonl", rows)
    run = start_run(source, tmp_path / "run", QUICKEST, "cpu", ignore)
    assert run.metrics["validation_loss"] > 0


def test_a_run_is_never_written_over(finished: Path, dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    for folder, words in ((finished, "is a run already"), (tmp_path, "is not empty")):
        with pytest.raises(InputError, match=words):
            start_run(dataset, folder, QUICK, "cpu", ignore)
    with pytest.raises(InputError, match="is not a run"):
        resume_run(tmp_path, ignore)
    with pytest.raises(InputError, match="is not a run"):
        Run.load(tmp_path / "nothing")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_where_there_is_none_is_an_error(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="--device cpu"):
        start_run(dataset, tmp_path / "run", QUICK, "cuda", ignore)
    assert not (tmp_path / "run").exists()


def test_thresholds_stay_with_the_run_and_damage_is_refused(dataset: Path, tmp_path: Path) -> None:
    run = start_run(dataset, tmp_path / "run", QUICKEST, "cpu", ignore)
    chosen = Thresholds.uniform(0.4)
    run.keep(run.weights, chosen)
    assert Run.load(tmp_path / "run").thresholds == chosen
    for name in ("model.safetensors", "config.toml", "metrics.json"):
        kept = (tmp_path / "run" / name).read_bytes()
        (tmp_path / "run" / name).write_bytes(kept[: len(kept) // 2])
        with pytest.raises(InputError, match=name):
            Run.load(tmp_path / "run")
        (tmp_path / "run" / name).write_bytes(kept)
