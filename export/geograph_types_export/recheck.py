"""Repeat a bundle's checks against torch."""

from collections.abc import Iterator
from pathlib import Path

from geograph_types.bundle import Bundle
from geograph_types.manifest import Fidelity
from geograph_types_export.errors import GateError, WeightsError
from geograph_types_export.gate import measure
from geograph_types_export.parts import head_decider, int8_fidelity, load_head
from geograph_types_export.reference import ReferenceTower
from geograph_types_export.verify import check_photos, verify_encoder, verify_head
from geograph_types_export.weights import EncoderWeights

__all__ = ["recheck_encoders", "recheck_head"]


def recheck_encoders(bundle: Bundle, weights: EncoderWeights) -> Iterator[Fidelity]:
    """Hold every encoder of a bundle against torch again, on drawn scenes.

    Args:
        bundle: opened.
        weights: those that its manifest names.

    Yields:
        What each file measured.

    Raises:
        BundleError: a file is damaged.
        WeightsError: the weights are not those of the bundle.
        DriftError: a floating-point encoder does not compute what torch computes.
        GateError: the int8 encoder is not near enough.
    """
    source = bundle.manifest.encoder
    if source is None or source.sha256 != weights.sha256:
        named = "no encoder" if source is None else source.weights
        raise WeightsError(weights.name, f"the bundle has {named}; give its own with --weights")
    for precision in bundle.manifest.precisions:
        model = bundle.read(bundle.find("encoder", precision))
        if precision == "int8":
            pixels = check_photos()
            expected = ReferenceTower(weights.state).embed(pixels)
            figures = measure(model, pixels, expected, head_decider(bundle.root))
            if not figures.passes:
                raise GateError(str(figures))
            yield int8_fidelity(figures, len(pixels), {}, "drawn scenes")
        else:
            yield verify_encoder(model, precision, weights.state)


def recheck_head(bundle: Bundle, path: Path) -> Fidelity:
    """Hold a bundle's head against the run or checkpoint that it came from.

    Raises:
        BundleError: there is no head, or it is damaged.
        DriftError: it is another head.
    """
    file = bundle.find("head")
    return verify_head(bundle.read(file), file.path, load_head(path).head)
