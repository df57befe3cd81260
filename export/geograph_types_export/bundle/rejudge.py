"""Judge an int8 encoder that is there by the tags of another head."""

from pathlib import Path

from geograph_types.bundle import Bundle
from geograph_types.errors import BundleError
from geograph_types.manifest import Manifest, file_name
from geograph_types.session import Session
from geograph_types_export.bundle.make import part_tags
from geograph_types_export.bundle.parts import EncoderPart, HeadPart, Rejudged
from geograph_types_export.int8.gate import BATCH, measure
from geograph_types_export.int8.photos import CalibrationPhotos, drawn_photos
from geograph_types_export.verify.reference import embed


def is_unjudged(path: Path, head: HeadPart, encoder: EncoderPart | None = None) -> bool:
    """Whether a bundle has an int8 encoder that the tags of a head have not judged.

    Args:
        path: the bundle's folder; there may be none.
        head: to be put there.
        encoder: to be put there too; one of other weights takes the place of int8.

    Raises:
        BundleError: the bundle is damaged.
    """
    if not path.is_dir() or not any(path.iterdir()):
        return False
    manifest = Bundle.open(path).manifest
    known = next((f for f in manifest.fidelity if f.path == file_name("encoder", "int8")), None)
    if known is None or (encoder is not None and encoder.source.sha256 != _weights(manifest)):
        return False
    return known.flipped_tags is None or not part_tags(head).is_of(
        manifest.head, manifest.thresholds
    )


def _weights(manifest: Manifest) -> str | None:
    return None if manifest.encoder is None else manifest.encoder.sha256


def rejudge(
    path: Path,
    head: HeadPart,
    photos: CalibrationPhotos | None = None,
    encoder: EncoderPart | None = None,
) -> Rejudged:
    """Hold the int8 encoder of a bundle to the gate, by the tags of a head that is to come there.

    It is compared with a float encoder of the same weights, on photos that it was not fitted to.

    Args:
        path: the bundle's folder, which has an int8 encoder.
        head: to be put there.
        photos: those that int8 was fitted to; drawn scenes where there are none.
        encoder: to be put there too, for where the bundle has none in float32.

    Raises:
        BundleError: the bundle is damaged, there is nothing to compare with, the photos are others,
            or int8 does not pass.
    """
    bundle = Bundle.open(path)
    anew = "make both anew with 'geograph-types bundle build --head HEAD --precision int8'"
    file, exact = bundle.find("encoder", "int8"), bundle.manifest.find("encoder", "fp32")
    if exact is not None:
        reference = bundle.read(exact)
    elif encoder is not None:
        reference = encoder.model
    else:
        raise BundleError(path, f"its int8 encoder has no fp32 to be judged against: {anew}")
    photos = photos or drawn_photos()
    known = next((f for f in bundle.manifest.fidelity if f.path == file.path), None)
    if known is None or known.calibration != photos.name:
        fitted_to = known and known.calibration
        raise BundleError(
            path,
            f"its int8 encoder was fitted to {fitted_to}, and is judged on such: name their folder "
            f"with --calibration, or {anew}",
        )
    expected = embed(Session(reference, "cpu"), photos.held_out, BATCH)
    tags = part_tags(head)
    figures = measure(bundle.read(file), photos.held_out, expected, tags)
    if not figures.passes or figures.flipped_tags is None:
        raise BundleError(path, f"its int8 encoder does not do for this head ({figures}): {anew}")
    return Rejudged(file.sha256, figures.flipped_tags, tags)
