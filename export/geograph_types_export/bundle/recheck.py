"""Repeat a bundle's checks: encoders and head against a reference, taggers against their parts."""

from collections.abc import Iterator
from pathlib import Path

from geograph_types.bundle import Bundle
from geograph_types.manifest import Fidelity, file_name
from geograph_types_export.bundle.make import export_encoder, head_tags, int8_fidelity, load_head
from geograph_types_export.errors import RecheckError, WeightsError
from geograph_types_export.int8.gate import Sample, measure
from geograph_types_export.int8.photos import CalibrationPhotos, drawn_photos
from geograph_types_export.verify.graphs import (
    Reference,
    verify_encoder,
    verify_head,
    verify_tagger,
)
from geograph_types_export.weights.load import EncoderWeights


def recheck_encoders(
    bundle: Bundle,
    weights: EncoderWeights,
    reference: Reference,
    photos: CalibrationPhotos | None = None,
) -> Iterator[Fidelity]:
    """Hold every encoder of a bundle against the reference again, and int8 against float32.

    Args:
        bundle: opened.
        weights: those that its manifest names.
        reference: of these weights.
        photos: those that int8 was fitted to and judged on; drawn scenes if there are none.
    """
    source = bundle.manifest.encoder
    if source is None or source.sha256 != weights.sha256:
        named = "no encoder" if source is None else source.weights
        raise WeightsError(weights.name, f"the bundle has {named}; give its own with --weights")
    exact: bytes | None = None
    for precision in bundle.manifest.precisions:  # fp32 before int8
        model = bundle.read(bundle.find("encoder", precision))
        if precision == "int8":
            exact = exact or export_encoder(weights).model
            sample = Sample.of(exact, (photos or drawn_photos()).held_out)
            yield _recheck_int8(bundle, model, sample)
        else:
            yield verify_encoder(model, precision, reference)
            exact = model if precision == "fp32" else exact


def _recheck_int8(bundle: Bundle, model: bytes, sample: Sample) -> Fidelity:
    figures = measure(model, sample, head_tags(bundle.root))
    name = file_name("encoder", "int8")
    known = next((f for f in bundle.manifest.fidelity if f.path == name), None)
    fitted_to = (known and known.calibration) or "photos that it does not name"
    if not figures.passes:
        raise RecheckError(name, str(figures), fitted_to)
    kept = known.kept_float32 if known else {}
    return int8_fidelity(figures, len(sample.pixels), kept, fitted_to)


def recheck_head(bundle: Bundle, path: Path) -> Fidelity:
    """Hold a bundle's head against the run or checkpoint that it came from."""
    file = bundle.find("head")
    return verify_head(bundle.read(file), file.path, load_head(path).weights)


def recheck_taggers(bundle: Bundle) -> Iterator[Fidelity]:
    """Hold every tagger of a bundle against its encoder and head, one run after the other."""
    for file in bundle.manifest.files:
        if file.role == "tagger":
            encoder, head = bundle.find("encoder", file.precision), bundle.find("head")
            parts = bundle.read(encoder), bundle.read(head)
            yield verify_tagger(bundle.read(file), file.path, *parts)
