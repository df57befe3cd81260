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

from geograph_types.errors import DeviceError, InputError
from geograph_types.taxonomy import CLASSES
from geograph_types_trainer.dataset.memory import TrainingData
from geograph_types_trainer.head import TypeHead, dropout_factors
from geograph_types_trainer.recipe import RECIPES, Recipe
from geograph_types_trainer.run import Run
from geograph_types_trainer.training.standardise import Standardisation
from geograph_types_trainer.training.start import resume_run, start_run

RUN_FILES = ["config.toml", "curves.png", "log.csv", "metrics.json", "model.safetensors"]
QUICK = Recipe(epochs=4, seed=7)


def ignore(_: object) -> None:
    pass


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
    assert run.thresholds == dict.fromkeys(CLASSES, 0.5)
    assert run.configuration["policy"] == "resample"


def test_the_saved_head_is_of_the_released_form_and_takes_raw_embeddings(
    finished: Path, dataset: Path
) -> None:
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
    probabilities = (
        TypeHead.from_weights(run.weights)
        .probabilities(
            torch.from_numpy(data.embeddings[rows].astype(np.float32)),
            torch.from_numpy(data.buckets[rows]),
        )
        .numpy()
    )
    hits = ((probabilities >= 0.5) & (data.labels[rows] > 0)).sum()
    named = (probabilities >= 0.5).sum() + data.labels[rows].sum()
    assert 2 * hits / named == pytest.approx(run.metrics["validation_micro_f1"], abs=1e-6)


def test_the_same_seed_gives_the_same_bytes(finished: Path, dataset: Path, tmp_path: Path) -> None:
    start_run(dataset, tmp_path / "again", QUICK, "cpu", ignore)
    assert files_of(tmp_path / "again") == files_of(finished)
    other = Recipe(epochs=4, seed=8)
    start_run(dataset, tmp_path / "other", other, "cpu", ignore)
    assert (
        files_of(tmp_path / "other")["model.safetensors"]
        != (files_of(finished)["model.safetensors"])
    )


class StopError(Exception):
    pass


@pytest.mark.parametrize("epochs", [1, 3, 4])
def test_resuming_gives_the_weights_of_an_uninterrupted_run(
    finished: Path, dataset: Path, tmp_path: Path, epochs: int
) -> None:
    def stop(record: Any) -> None:
        if record.number == epochs:
            raise StopError

    out = tmp_path / "run"
    with pytest.raises(StopError):
        start_run(dataset, out, QUICK, "cpu", stop)
    with pytest.raises(InputError, match="unfinished run"):
        Run.load(out)
    seen: list[int] = []
    resume_run(out, lambda record: seen.append(record.number))
    assert seen == list(range(epochs + 1, 5))
    assert files_of(out) == files_of(finished)
    resume_run(out, stop)
    assert files_of(out) == files_of(finished)


KILLS = int(os.environ.get("GEOGRAPH_TYPES_KILLS", "2"))
"""The long version, `make acceptance`, kills ten times."""


def test_kill_and_resume(dataset: Path, tmp_path: Path) -> None:
    """Killed at random moments, from before its first epoch on, it ends with the same bytes."""
    epochs = 4 * KILLS
    whole = tmp_path / "whole"
    start_run(dataset, whole, Recipe(epochs=epochs), "cpu", ignore)
    out = tmp_path / "run"
    program = "import sys; from geograph_types.cli.main import main; sys.exit(main(sys.argv[1:]))"
    settings = ["--out", str(out), "--epochs", str(epochs), "--device", "cpu"]
    start = [sys.executable, "-c", program, "train", str(dataset), *settings]
    resume = [sys.executable, "-c", program, "train", "--resume", str(out)]
    rng = random.Random(4)
    for kill in range(KILLS):
        process = subprocess.Popen(
            resume if (out / "config.toml").exists() else start, stderr=subprocess.DEVNULL
        )
        watched = out / ("unfinished.pt" if kill else "config.toml")
        while not watched.exists() and process.poll() is None:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 4) if kill else 0)
        process.send_signal(signal.SIGKILL)
        process.wait()
    resume_run(out, ignore)
    assert files_of(out) == files_of(whole)


def test_a_resumed_run_needs_its_own_dataset(
    dataset: Path, tmp_path: Path, rows_of: Callable[..., Any], write_lines: Callable[..., Path]
) -> None:
    def stop(record: Any) -> None:
        raise StopError

    with pytest.raises(StopError):
        start_run(dataset, tmp_path / "run", QUICK, "cpu", stop)
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
def test_every_recipe_learns_with_every_policy(
    dataset: Path, tmp_path: Path, name: str, policy: str
) -> None:
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


def test_the_head_computes_what_its_layers_say() -> None:
    head = TypeHead().eval()
    embeddings, buckets = torch.randn(40, 512), torch.randint(0, 23, (40,))
    plain = head.fc(torch.cat([embeddings, head.dist_emb(buckets)], dim=1))
    assert torch.allclose(head(embeddings, buckets), plain, atol=1e-5)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5])
def test_dropout_leaves_out_its_share_and_keeps_the_sum(share: float) -> None:
    factors = dropout_factors(4000, 256, share, torch.device("cpu"))
    assert (factors == 0).float().mean(0).sub(share).abs().max() < 0.05
    assert factors.mean() == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("rate", [1e20, float("inf")])
def test_a_training_that_diverges_says_so(dataset: Path, tmp_path: Path, rate: float) -> None:
    recipe = Recipe(learning_rate=rate, epochs=2)
    with pytest.raises(InputError, match=r"diverged in epoch 1: set a learning_rate below"):
        start_run(dataset, tmp_path / "run", recipe, "cpu", ignore)


@pytest.mark.parametrize(
    "settings", [{"weight_decay": 2000.0}, {"weight_decay": 1e9, "averaging": 0}]
)
def test_a_later_divergence_ends_the_run_too(
    dataset: Path, tmp_path: Path, settings: dict[str, Any]
) -> None:
    out, seen = tmp_path / "run", list[Any]()
    recipe = Recipe(epochs=6).with_settings(settings, "test")
    with pytest.raises(InputError, match=r"diverged in epoch \d: set a learning_rate below 0.004"):
        start_run(dataset, out, recipe, "cpu", seen.append)
    assert all(math.isfinite(record.validation.loss) for record in seen)
    with pytest.raises(InputError, match="diverged in epoch"):  # and what is saved is sound
        resume_run(out, ignore)


@pytest.mark.parametrize("split", ["tra", "val"])
def test_weights_that_sum_to_0_are_refused(
    split: str, tmp_path: Path, rows_of: Callable[..., Any], write_lines: Callable[..., Path]
) -> None:
    rows = [row | {"weight": float(row["split"] != split)} for row in rows_of(200)]
    source = write_lines(tmp_path / "rows.jsonl", rows)
    with pytest.raises(InputError, match=f"weights of split '{split}' sum to 0.*set weights"):
        start_run(source, tmp_path / "run", QUICK, "cpu", ignore)
    assert not (tmp_path / "run").exists()


def test_weights_of_0_in_the_test_split_or_in_some_rows_do_no_harm(
    tmp_path: Path, rows_of: Callable[..., Any], write_lines: Callable[..., Path]
) -> None:
    rows = [
        row | {"weight": float(row["split"] != "tes" and number % 2)}
        for number, row in enumerate(rows_of(400))
    ]
    source = write_lines(tmp_path / "rows.jsonl", rows)
    run = start_run(source, tmp_path / "run", QUICK, "cpu", ignore)
    assert run.metrics["validation_loss"] > 0


def test_a_run_is_never_written_over(finished: Path, dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a run already"):
        start_run(dataset, finished, QUICK, "cpu", ignore)
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(InputError, match="is not empty"):
        start_run(dataset, tmp_path, QUICK, "cpu", ignore)
    with pytest.raises(InputError, match="is not a run"):
        resume_run(tmp_path, ignore)
    with pytest.raises(InputError, match="is not a run"):
        Run.load(tmp_path / "nothing")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_where_there_is_none_is_an_error(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="--device cpu"):
        start_run(dataset, tmp_path / "run", QUICK, "cuda", ignore)
    assert not (tmp_path / "run").exists()


def test_a_dataset_without_validation_rows_is_refused(
    tmp_path: Path, rows_of: Callable[..., Any], write_lines: Callable[..., Path]
) -> None:
    source = write_lines(tmp_path / "r.jsonl", [row | {"split": "tra"} for row in rows_of(50)])
    with pytest.raises(InputError, match="no row in split 'val'"):
        start_run(source, tmp_path / "run", QUICK, "cpu", ignore)
    assert not (tmp_path / "run").exists()


def test_thresholds_stay_with_the_run(dataset: Path, tmp_path: Path) -> None:
    run = start_run(dataset, tmp_path / "run", Recipe(epochs=1), "cpu", ignore)
    chosen = {name: 0.1 + index / 10 for index, name in enumerate(CLASSES)}
    run.keep(run.weights, chosen)
    assert Run.load(tmp_path / "run").thresholds == chosen
    with pytest.raises(InputError):
        run.keep(run.weights, {"Aerial": 0.5})


def test_damaged_runs_are_refused(dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    start_run(dataset, out, Recipe(epochs=1), "cpu", ignore)
    for name in ("model.safetensors", "config.toml", "metrics.json"):
        kept = (out / name).read_bytes()
        (out / name).write_bytes(kept[: len(kept) // 2])
        with pytest.raises(InputError, match=name):
            Run.load(out)
        (out / name).write_bytes(kept)
