"""What `export encoder` and `bundle build` have in common: options, and steps with their notes."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from geograph_types.cli.notices import note
from geograph_types.manifest import Fidelity, Precision, file_name

if TYPE_CHECKING:
    from geograph_types.bundle import Bundle
    from geograph_types_export.bundle.parts import EncoderPart, HeadTags
    from geograph_types_export.weights.load import EncoderWeights

RELEASED: Final = "released:"
HEAD: Final = f"{RELEASED}NAME|PATH"
HEAD_HELP: Final = (
    "a released head (v1, v2, v2.1 or v2.3), a checkpoint's file, or a training run's folder"
)

precision_choice = click.Choice(["fp32", "fp16", "int8"])
bundle_option = click.option(
    "--bundle",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder of the bundle, made or added to.",
)
calibration_option = click.option(
    "--calibration",
    metavar="DIR",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Photos that int8 is fitted to and judged on; drawn scenes otherwise.",
)


def check_calibration(calibration: Path | None, precision: Precision) -> None:
    """Refuse photos that nothing would be fitted to."""
    if calibration is not None and precision != "int8":
        raise click.UsageError("--calibration goes with --precision int8")


def head_path(spec: str) -> Path:
    """Return a head's file or folder; a released one is fetched if it is not in the cache."""
    if not spec.startswith(RELEASED):
        return Path(spec)
    from geograph_types_export.released import cache_folder, fetch_head

    note(f"head {spec} from {cache_folder()}, or from the network if it is not there")
    return fetch_head(spec.removeprefix(RELEASED))


def released_spec(sha256: str) -> str | None:
    """Return the spec of the released head whose file has this digest; `None` for any other."""
    from geograph_types_export.released import DIGESTS

    return next((f"{RELEASED}{name}" for name, known in DIGESTS.items() if known == sha256), None)


def named_weights(spec: str) -> "EncoderWeights":
    """Load the weights that the user named; a line says if they are a stand-in."""
    from geograph_types_export.weights.load import load_weights

    note(f"loading weights {spec}")
    loaded = load_weights(spec)
    if loaded.notice is not None:
        note(loaded.notice)
    elif loaded.stand_in:
        note(f"{loaded.name}: the encoder is a STAND-IN with random weights")
    return loaded


def make_encoder(
    weights: "EncoderWeights",
    precision: Precision,
    calibration: Path | None,
    tags: "HeadTags | None",
) -> "EncoderPart":
    """Build an encoder of any precision."""
    from geograph_types_export.bundle.make import export_encoder, export_int8_encoder
    from geograph_types_export.int8.photos import drawn_photos, photos_in

    note(f"building the {precision} encoder and checking it")
    if precision != "int8":
        return export_encoder(weights, precision)
    photos = drawn_photos() if calibration is None else photos_in(calibration)
    note(f"fitting to {photos.name}")
    if photos.left_out:
        note(f"{photos.left_out} photos cannot be used and are left out")
    return export_int8_encoder(weights, photos, tags)


def note_unmeasured(bundle: "Bundle") -> None:
    """Report it if nobody has counted the tags that int8 flips with the bundle's head."""
    path = file_name("encoder", "int8")
    known = next((f for f in bundle.manifest.fidelity if f.path == path), None)
    if known is not None and known.flipped_tags is None and bundle.manifest.head is not None:
        note(
            f"{path}: the share of tags that it flips is not measured with this head; "
            f"'geograph-types export verify {bundle.root} --calibration DIR' measures it"
        )


def fidelity_line(fidelity: Fidelity) -> str:
    """Return an encoder's figures in one line."""
    line = (
        f"worst cosine {fidelity.minimum_cosine}, largest difference "
        f"{fidelity.maximum_difference:.0e} over {fidelity.samples} photos"
    )
    if fidelity.centred_cosine_mean is None:
        return line
    kept = ", ".join(fidelity.kept_float32) or "none"
    flipped = "not measured" if fidelity.flipped_tags is None else f"{fidelity.flipped_tags:.2%}"
    return (
        f"{line}; centred cosine {fidelity.centred_cosine_mean} on average, "
        f"{fidelity.centred_cosine_p1} at the 1st percentile; tags flipped: {flipped}; "
        f"kept in float32: {kept}"
    )
