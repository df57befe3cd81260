"""What can be evaluated: a bundle, a run or a checkpoint, as one function."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from geograph_types.bundle import MANIFEST_NAME, Bundle
from geograph_types.errors import InputError
from geograph_types.tagger import TypeTagger
from geograph_types.thresholds import Thresholds
from geograph_types_trainer.checkpoint.read import read_checkpoint
from geograph_types_trainer.head_weights import HeadWeights, head_logits
from geograph_types_trainer.metrics import Floats, sigmoid
from geograph_types_trainer.run import Run

Predict: TypeAlias = Callable[[NDArray[np.float32], NDArray[np.int64]], Floats]
"""From raw embeddings [N, 512] and distance buckets [N] to probabilities [N, 7]."""

PredictorKind: TypeAlias = Literal["bundle", "run", "checkpoint"]


@dataclass(frozen=True, slots=True)
class Predictor:
    """A head, wherever it was read from."""

    name: str  # its path, as it was given
    kind: PredictorKind
    thresholds: Thresholds | None  # its own
    predict: Predict
    bundle: Bundle | None = None
    # Digests of the datasets that it was trained on and tuned on, where known.
    trained_on: str | None = None
    tuned_on: str | None = None


def open_predictor(path: Path) -> Predictor:
    """Open a bundle's folder, a run's folder or a checkpoint."""
    if (path / MANIFEST_NAME).exists():
        return _from_bundle(path)
    if path.is_dir():
        return _from_run(path)
    if path.exists():
        return _from_checkpoint(path)
    raise InputError(f"{path} does not exist: give a run's or bundle's folder, or a .pth file")


def _from_bundle(path: Path) -> Predictor:
    tagger = TypeTagger(path)
    tagger.bundle.find("head")
    manifest = tagger.bundle.manifest
    source = manifest.head
    return Predictor(
        str(path),
        "bundle",
        manifest.thresholds,
        tagger.score_buckets,
        tagger.bundle,
        trained_on=source.dataset_sha256 if source else None,
        tuned_on=str(source.configuration.get("tuned_on_sha256", "")) if source else None,
    )


def _from_run(path: Path) -> Predictor:
    run = Run.load(path)
    return Predictor(
        str(path),
        "run",
        run.thresholds,
        _predict_with(run.weights),
        trained_on=run.dataset_sha256,
        tuned_on=run.report.tuned_on_sha256,
    )


def _from_checkpoint(path: Path) -> Predictor:
    return Predictor(str(path), "checkpoint", None, _predict_with(read_checkpoint(path).weights))


def _predict_with(weights: HeadWeights) -> Predict:
    return lambda embeddings, buckets: sigmoid(head_logits(weights, embeddings, buckets))
