"""`geograph-types export`: an encoder or a head to a verified part of a bundle."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from geograph_types.manifest import Fidelity, Precision

if TYPE_CHECKING:
    from geograph_types_export.bundle_writer import EncoderPart
    from geograph_types_export.weights import EncoderWeights

__all__ = ["export"]

BUNDLE = click.option(
    "--bundle",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder of the bundle; made where there is none, added to where there is one.",
)


@click.group(epilog="Example: geograph-types export encoder --weights openai --bundle model")
def export() -> None:
    """Turn an encoder or a head into a verified part of a bundle."""


@export.command(epilog="Example: geograph-types export encoder --weights openai --bundle model")
@click.option(
    "--weights",
    default="auto",
    show_default=True,
    help="openai, random:SEED (a stand-in), a file, or auto: openai where it can be had and the "
    "stand-in otherwise.",
)
@click.option(
    "--precision",
    type=click.Choice(["fp32", "fp16", "int8"]),
    default="fp32",
    show_default=True,
    help="fp32, fp16 for CUDA, int8 for CPUs.",
)
@click.option(
    "--calibration",
    metavar="DIR",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Photos that int8 is fitted to and judged on; drawn scenes otherwise.",
)
@BUNDLE
def encoder(weights: str, precision: Precision, calibration: Path | None, bundle: Path) -> int:
    """Write CLIP's image tower as ONNX, checked against torch before it is accepted."""
    from geograph_types_export.bundle_writer import write_bundle
    from geograph_types_export.parts import export_encoder
    from geograph_types_export.weights import load_weights

    if calibration is not None and precision != "int8":
        raise click.UsageError("--calibration goes with --precision int8")
    _say(f"loading weights {weights}")
    loaded = load_weights(weights)
    if loaded.notice is not None:
        _say(loaded.notice)
    elif loaded.stand_in:
        _say(f"{loaded.name}: the encoder is a STAND-IN with random weights")
    _say(f"building the {precision} encoder and checking it against torch")
    if precision == "int8":
        part = _int8(loaded, calibration, bundle)
    else:
        part = export_encoder(loaded, precision)
    written = write_bundle(bundle, part)
    _say(_summary(part.fidelity))
    _say(f"{bundle / part.fidelity.path}: written; the bundle is now {written.label}")
    return 0


def _int8(weights: "EncoderWeights", calibration: Path | None, bundle: Path) -> "EncoderPart":
    from geograph_types_export.parts import export_int8_encoder, head_decider
    from geograph_types_export.photos import drawn_photos, photos_in

    photos = drawn_photos() if calibration is None else photos_in(calibration)
    _say(f"fitting to {photos.name}")
    if photos.left_out:
        _say(f"{photos.left_out} files are no usable photos and are left out")
    return export_int8_encoder(weights, photos, head_decider(bundle))


def _summary(fidelity: Fidelity) -> str:
    line = (
        f"worst cosine {fidelity.minimum_cosine}, largest difference "
        f"{fidelity.maximum_difference:.0e} over {fidelity.samples} photos"
    )
    if fidelity.centred_cosine_mean is None:
        return line
    kept = ", ".join(fidelity.kept_float32) or "none"
    return (
        f"{line}; centred cosine {fidelity.centred_cosine_mean} on average, "
        f"{fidelity.centred_cosine_p1} at the 1st percentile; kept in float32: {kept}"
    )


@export.command(epilog="Example: geograph-types export head runs/first --bundle model")
@click.argument("source", metavar="RUN|CHECKPOINT.pth", type=click.Path(path_type=Path))
@BUNDLE
def head(source: Path, bundle: Path) -> int:
    """Write a trained run or a released checkpoint as ONNX, checked against torch."""
    from geograph_types_export.bundle_writer import write_bundle
    from geograph_types_export.parts import export_head, load_head

    part = export_head(load_head(source))
    written = write_bundle(bundle, part)
    _say(
        f"largest difference {part.fidelity.maximum_difference:.0e} over "
        f"{part.fidelity.samples} rows"
    )
    _say(f"{bundle / part.fidelity.path}: written; the bundle is now {written.label}")
    return 0


@export.command(epilog="Example: geograph-types export verify model --weights openai")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--weights", help="Of its encoder, where the manifest names a file.")
@click.option(
    "--head", type=click.Path(path_type=Path), help="Run or checkpoint that its head came from."
)
def verify(bundle: Path, weights: str | None, head: Path | None) -> int:
    """Repeat a bundle's checks against torch."""
    from geograph_types.bundle import Bundle
    from geograph_types_export.recheck import recheck_encoders, recheck_head
    from geograph_types_export.weights import load_weights

    opened = Bundle.open(bundle)
    opened.verify()
    source = opened.manifest.encoder
    if source is not None:
        for fidelity in recheck_encoders(opened, load_weights(weights or source.weights)):
            _say(f"{fidelity.path}: {_summary(fidelity)}")
    if head is not None:
        difference = recheck_head(opened, head).maximum_difference
        _say(f"head.onnx: largest difference {difference:.0e}")
    elif opened.manifest.head is not None:
        _say("head.onnx: not compared; give its run or checkpoint with --head")
        return 1
    return 0


def _say(line: str) -> None:
    """Report progress; standard output stays free for data."""
    click.echo(line, err=True)
