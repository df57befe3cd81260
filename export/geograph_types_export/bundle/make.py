"""From weights or a head to a verified part of a bundle."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from geograph_types.bundle import Bundle
from geograph_types.manifest import EncoderSource, Fidelity, HeadSource, file_name
from geograph_types_export.bundle.parts import EncoderPart, HeadPart, HeadTags
from geograph_types_export.graphs.builder import serialise
from geograph_types_export.graphs.encoder import encoder_graph
from geograph_types_export.graphs.folding import fold
from geograph_types_export.graphs.half import half_tower
from geograph_types_export.graphs.head import head_graph
from geograph_types_export.int8.gate import GateFigures, Sample, find_accepted
from geograph_types_export.int8.photos import CalibrationPhotos
from geograph_types_export.int8.tower import quantise_tower
from geograph_types_export.verify.graphs import upper_bound, verify_encoder, verify_head
from geograph_types_export.verify.reference import REFERENCE, ReferenceTower
from geograph_types_export.weights.load import EncoderWeights
from geograph_types_trainer.checkpoint.file import load_checkpoint
from geograph_types_trainer.head import TypeHead
from geograph_types_trainer.run import DEFAULT_THRESHOLDS, HEAD_FILE, Run


@dataclass(frozen=True, slots=True, eq=False)
class SourcedHead:
    """A head, where it comes from, and its thresholds.

    Attributes:
        head: in eval mode.
        source: for the manifest.
        thresholds: by class.
    """

    head: TypeHead
    source: HeadSource
    thresholds: Mapping[str, float]


def load_head(path: Path) -> SourcedHead:
    """Load a training run's folder, or a checkpoint in the released form.

    Raises:
        InputError: a folder that is no complete run.
        CheckpointError: a file that is not of the released form.
    """
    if path.is_dir():
        run = Run.load(path)
        source = HeadSource(
            name=path.resolve().name,
            sha256=hashlib.sha256((path / HEAD_FILE).read_bytes()).hexdigest(),
            dataset_sha256=run.dataset_sha256,
            configuration=dict(run.configuration),
            metrics=dict(run.metrics),
        )
        return SourcedHead(run.head, source, run.thresholds)
    checkpoint = load_checkpoint(path)
    source = HeadSource(name=path.name, sha256=checkpoint.sha256)
    return SourcedHead(checkpoint.head, source, DEFAULT_THRESHOLDS)


def export_encoder(
    weights: EncoderWeights, precision: Literal["fp32", "fp16"] = "fp32"
) -> EncoderPart:
    """Build a floating-point encoder and hold it against torch.

    Raises:
        DriftError: it does not compute what torch computes.
    """
    tower = fold(weights.state)
    model = serialise(encoder_graph(half_tower(tower) if precision == "fp16" else tower))
    fidelity = verify_encoder(model, precision, weights.state)
    return EncoderPart(model, precision, encoder_source(weights), fidelity)


def export_int8_encoder(
    weights: EncoderWeights, photos: CalibrationPhotos, tags: HeadTags | None
) -> EncoderPart:
    """Quantise the encoder on photos, and let the gate judge it on others.

    Args:
        weights: of the encoder.
        photos: to fit to and to judge on.
        tags: of the bundle's head, if there is one.

    Raises:
        GateError: no version is near enough to float32.
    """
    tower = fold(weights.state)
    reference = ReferenceTower(weights.state)
    fitted = Sample(photos.fitted, reference.embed(photos.fitted))
    held_out = Sample(photos.held_out, reference.embed(photos.held_out))
    accepted = find_accepted(quantise_tower(tower, photos.fitted), fitted, held_out, tags)
    fidelity = int8_fidelity(accepted.figures, len(photos.held_out), accepted.kept, photos.name)
    return EncoderPart(accepted.model, "int8", encoder_source(weights), fidelity, tags)


def int8_fidelity(
    figures: GateFigures, samples: int, kept: Mapping[str, float], calibration: str
) -> Fidelity:
    """Give the gate's figures as the manifest has them.

    Args:
        figures: as measured.
        samples: on how many photos.
        kept: parts in float32, and what each would cost otherwise.
        calibration: the photos that the encoder was fitted to.
    """
    return Fidelity(
        path=file_name("encoder", "int8"),
        reference=f"{REFERENCE}, photos held out of calibration",
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
    """Give the tags of a bundle's head; `None` without a head.

    Raises:
        BundleError: the bundle is damaged.
    """
    if not bundle.is_dir() or not any(bundle.iterdir()):
        return None
    opened = Bundle.open(bundle)
    manifest = opened.manifest
    if manifest.head is None:
        return None
    return HeadTags(opened.read(opened.find("head")), manifest.head, manifest.thresholds)


def part_tags(part: HeadPart) -> HeadTags:
    """Give the tags of a head that no bundle holds yet."""
    return HeadTags(part.model, part.source, part.thresholds)


def encoder_source(weights: EncoderWeights) -> EncoderSource:
    """Say where an encoder's weights come from, as the manifest has it."""
    return EncoderSource(weights.name, weights.sha256, weights.stand_in)


def export_head(sourced: SourcedHead) -> HeadPart:
    """Build a head's graph and hold it against torch.

    Raises:
        DriftError: it does not compute what torch computes.
    """
    model = serialise(head_graph(sourced.head))
    fidelity = verify_head(model, file_name("head"), sourced.head)
    return HeadPart(model, sourced.source, fidelity, sourced.thresholds)
