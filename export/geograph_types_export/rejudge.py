"""Judge an int8 encoder that is there by the tags of another head."""

from pathlib import Path

import msgspec

from geograph_types.bundle import Bundle
from geograph_types.errors import BundleError
from geograph_types.manifest import file_name
from geograph_types.session import Session
from geograph_types_export.agreement import embed
from geograph_types_export.bundle_writer import EncoderPart, HeadPart
from geograph_types_export.gate import BATCH, measure
from geograph_types_export.parts import part_tags
from geograph_types_export.photos import CalibrationPhotos, drawn_photos

__all__ = ["is_unjudged", "rejudge"]


def is_unjudged(path: Path, head: HeadPart) -> bool:
    """Whether a bundle has an int8 encoder that the tags of a head have not judged.

    Args:
        path: the bundle's folder; there may be none.
        head: to be put there.

    Raises:
        BundleError: the bundle is damaged.
    """
    if not path.is_dir() or not any(path.iterdir()):
        return False
    manifest = Bundle.open(path).manifest
    known = next((f for f in manifest.fidelity if f.path == file_name("encoder", "int8")), None)
    if known is None:
        return False
    return known.flipped_tags is None or not part_tags(head).is_of(
        manifest.head, manifest.thresholds
    )


def rejudge(path: Path, head: HeadPart, photos: CalibrationPhotos | None = None) -> EncoderPart:
    """Hold the int8 encoder of a bundle to the gate, by the tags of a head that is to come there.

    It is compared with the bundle's float32 encoder, on photos that it was not fitted to.

    Args:
        path: the bundle's folder, which has an int8 encoder.
        head: to be put there.
        photos: those that int8 was fitted to; drawn scenes where there are none.

    Returns:
        The encoder as it is, with this head as its judge.

    Raises:
        BundleError: the bundle is damaged, it has no float32 encoder, or int8 does not pass.
    """
    bundle = Bundle.open(path)
    anew = "make both anew with 'geograph-types bundle build --head HEAD --precision int8'"
    source, file = bundle.manifest.encoder, bundle.find("encoder", "int8")
    exact = bundle.manifest.find("encoder", "fp32")
    known = next((f for f in bundle.manifest.fidelity if f.path == file.path), None)
    if exact is None or known is None or source is None:
        raise BundleError(path, f"its int8 encoder has no fp32 to be judged against: {anew}")
    pixels = (photos or drawn_photos()).held_out
    tags, model = part_tags(head), bundle.read(file)
    expected = embed(Session(bundle.read(exact), "cpu"), pixels, BATCH)
    figures = measure(model, pixels, expected, tags)
    if not figures.passes:
        raise BundleError(path, f"its int8 encoder does not do for this head ({figures}): {anew}")
    fidelity = msgspec.structs.replace(known, flipped_tags=figures.flipped_tags)
    return EncoderPart(model, "int8", source, fidelity, tags)
