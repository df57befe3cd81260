"""From weights or a head to a verified part of a bundle."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from geograph_types.bundle import Bundle
from geograph_types.manifest import EncoderSource, Fidelity, HeadSource, file_name
from geograph_types.thresholds import Thresholds
from geograph_types_export.bundle.parts import EncoderPart, HeadPart, HeadTags
from geograph_types_export.graphs.builder import serialise
from geograph_types_export.graphs.encoder import encoder_graph
from geograph_types_export.graphs.folding import fold
from geograph_types_export.graphs.head import head_graph
from geograph_types_export.int8.gate import GateFigures, Sample, find_accepted
from geograph_types_export.int8.photos import CalibrationPhotos
from geograph_types_export.int8.tower import quantise_tower
from geograph_types_export.verify.graphs import (
    numpy_reference,
    upper_bound,
    verify_encoder,
    verify_head,
)
from geograph_types_export.weights.load import EncoderWeights
from geograph_types_trainer.checkpoint.read import read_checkpoint
from geograph_types_trainer.head_weights import HeadWeights
from geograph_types_trainer.run import HEAD_FILE, Run


@dataclass(frozen=True, slots=True, eq=False)
class SourcedHead:
    """A head, where it comes from, and its thresholds."""

    weights: HeadWeights
    source: HeadSource
    thresholds: Thresholds


def load_head(path: Path) -> SourcedHead:
    """Load a training run's folder, or a checkpoint in the released form."""
    if path.is_dir():
        run = Run.load(path)
        source = HeadSource(
            name=path.resolve().name,
            sha256=hashlib.sha256((path / HEAD_FILE).read_bytes()).hexdigest(),
            dataset_sha256=run.dataset_sha256,
            configuration=dict(run.configuration),
            metrics=dict(run.metrics),
        )
        return SourcedHead(run.weights, source, run.thresholds)
    checkpoint = read_checkpoint(path)
    source = HeadSource(name=path.name, sha256=checkpoint.sha256)
    return SourcedHead(checkpoint.weights, source, Thresholds.uniform())


def export_head(sourced: SourcedHead) -> HeadPart:
    """Build a head's graph and verify it."""
    model = serialise(head_graph(sourced.weights))
    fidelity = verify_head(model, file_name("head"), sourced.weights)
    return HeadPart(model, sourced.source, fidelity, sourced.thresholds)


def export_encoder(
    weights: EncoderWeights, precision: Literal["fp32", "fp16"] = "fp32"
) -> EncoderPart:
    """Build a floating-point encoder and hold it against the plain tower."""
    dtype = np.float16 if precision == "fp16" else np.float32
    model = serialise(encoder_graph(fold(weights.state, dtype)))
    fidelity = verify_encoder(model, precision, numpy_reference(weights.state))
    return EncoderPart(model, precision, encoder_source(weights), fidelity)


def export_int8_encoder(
    weights: EncoderWeights, photos: CalibrationPhotos, tags: HeadTags | None
) -> EncoderPart:
    """Quantise the encoder on photos, and let the gate judge it on others.

    The gate compares it with the encoder in float32, which is itself held against the plain tower,
    and by the tags of the bundle's head, if there is one.
    """
    tower = fold(weights.state)
    graph = encoder_graph(tower)
    exact = serialise(graph)
    verify_encoder(exact, "fp32", numpy_reference(weights.state))
    fitted, held_out = (Sample.of(exact, pixels) for pixels in (photos.fitted, photos.held_out))
    quantised = quantise_tower(tower, graph, photos.fitted)
    accepted = find_accepted(quantised, fitted, held_out, tags)
    fidelity = int8_fidelity(accepted.figures, len(photos.held_out), accepted.kept, photos.name)
    return EncoderPart(accepted.model, "int8", encoder_source(weights), fidelity, tags)


def int8_fidelity(
    figures: GateFigures, samples: int, kept: Mapping[str, float], calibration: str
) -> Fidelity:
    """Return the gate's figures as the manifest has them."""
    return Fidelity(
        path=file_name("encoder", "int8"),
        reference="the encoder in float32, photos held out of calibration",
        samples=samples,
        minimum_cosine=round(figures.plain_cosine, 5),
        maximum_difference=upper_bound(figures.difference),
        centred_cosine_mean=round(figures.mean_cosine, 5),
        centred_cosine_p1=round(figures.low_cosine, 5),
        flipped_tags=figures.flipped_tags,
        kept_float32=dict(kept),
        calibration=calibration,
    )


def head_tags(bundle: Path) -> HeadTags | None:
    """Return the tags of a bundle's head; `None` without a head."""
    if not bundle.is_dir() or not any(bundle.iterdir()):
        return None
    opened = Bundle.open(bundle)
    manifest = opened.manifest
    if manifest.head is None:
        return None
    return HeadTags(opened.read(opened.find("head")), manifest.head, manifest.thresholds)


def encoder_source(weights: EncoderWeights) -> EncoderSource:
    """Return where an encoder's weights come from, as the manifest has it."""
    return EncoderSource(weights.name, weights.sha256, weights.stand_in)
