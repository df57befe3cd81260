"""`geograph-types export`: an encoder or a head to a verified part of a bundle."""

from pathlib import Path

import click

from geograph_types.cli.notices import note
from geograph_types.manifest import Precision
from geograph_types_export.cli.steps import (
    HEAD,
    HEAD_HELP,
    bundle_option,
    calibration_option,
    check_calibration,
    fidelity_line,
    head_path,
    make_encoder,
    named_weights,
    note_unmeasured,
    precision_choice,
    released_spec,
)


@click.group(epilog="Example: geograph-types export encoder --weights openai --bundle model")
def export() -> None:
    """Turn an encoder or a head into a verified part of a bundle."""


@export.command(epilog="Example: geograph-types export encoder --weights openai --bundle model")
@click.option(
    "--weights",
    default="auto",
    show_default=True,
    help="openai, random:SEED (a stand-in), a file, or auto: openai if it is available and the "
    "stand-in otherwise.",
)
@click.option(
    "--precision",
    type=precision_choice,
    default="fp32",
    show_default=True,
    help="The encoder's arithmetic: fp32, fp16 for CUDA, int8 for CPUs.",
)
@calibration_option
@bundle_option
def encoder(weights: str, precision: Precision, calibration: Path | None, bundle: Path) -> int:
    """Write CLIP's image tower as ONNX, checked before it is accepted."""
    from geograph_types.session import load_backend
    from geograph_types_export.bundle.make import encoder_source, head_tags
    from geograph_types_export.bundle.write import check_place, write_bundle

    check_calibration(calibration, precision)
    check_place(bundle)
    load_backend()  # the checks at the end need it: without it, weights would be fetched in vain
    loaded = named_weights(weights)
    check_place(bundle, encoder_source(loaded))
    tags = head_tags(bundle) if precision == "int8" else None
    part = make_encoder(loaded, precision, calibration, tags)
    written = write_bundle(bundle, part)
    note(fidelity_line(part.fidelity))
    note(f"{bundle / part.fidelity.path}: written; the bundle is now {written.label}")
    return 0


@export.command(epilog="Example: geograph-types export head runs/first --bundle model")
@click.argument("source", metavar=HEAD)
@bundle_option
def head(source: str, bundle: Path) -> int:
    """Write a head as ONNX, checked before it is accepted.

    HEAD is a training run's folder, a checkpoint's file, or a released head by name (v1, v2, v2.1
    or v2.3), which is fetched once, as by 'bundle build'.
    """
    from geograph_types_export.bundle.make import export_head, load_head
    from geograph_types_export.bundle.write import check_place, write_bundle

    check_place(bundle)
    part = export_head(load_head(head_path(source)))
    written = write_bundle(bundle, part)
    note(
        f"largest difference {part.fidelity.maximum_difference:.0e} over "
        f"{part.fidelity.samples} rows"
    )
    note_unmeasured(written)
    note(f"{bundle / part.fidelity.path}: written; the bundle is now {written.label}")
    return 0


@export.command(epilog="Example: geograph-types export verify model --weights openai")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--weights", help="The encoder's weights, where the manifest names a file.")
@click.option(
    "--head",
    metavar=HEAD,
    help=f"Where its head came from, unless it was released: {HEAD_HELP}.",
)
@click.option(
    "--against",
    type=click.Choice(["numpy", "open_clip"]),
    default="numpy",
    show_default=True,
    help="Tower to hold its encoders against; open_clip's needs torch.",
)
@click.option(
    "--calibration",
    metavar="DIR",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Photos that int8 was fitted to and is judged on; drawn scenes otherwise.",
)
def verify(
    bundle: Path, weights: str | None, head: str | None, against: str, calibration: Path | None
) -> int:
    """Repeat a bundle's checks."""
    from geograph_types.bundle import Bundle
    from geograph_types_export.bundle.recheck import recheck_encoders, recheck_head, recheck_taggers
    from geograph_types_export.int8.photos import photos_in
    from geograph_types_export.verify.graphs import numpy_reference, open_clip_reference
    from geograph_types_export.weights.load import load_weights

    opened = Bundle.open(bundle)
    opened.verify()
    source = opened.manifest.encoder
    if source is not None:
        photos = photos_in(calibration) if calibration else None
        if photos is None and "int8" in opened.manifest.precisions:
            note("int8 is judged on drawn scenes; --calibration names other photos")
        loaded = load_weights(weights or source.weights)
        make_reference = numpy_reference if against == "numpy" else open_clip_reference
        reference = make_reference(loaded.state)
        for fidelity in recheck_encoders(opened, loaded, reference, photos):
            note(f"{fidelity.path}: {fidelity_line(fidelity)}")
    for fidelity in recheck_taggers(opened):
        note(f"{fidelity.path}: largest difference {fidelity.maximum_difference:.0e}")
    known = opened.manifest.head
    spec = head or (released_spec(known.sha256) if known else None)
    if spec is not None:
        difference = recheck_head(opened, head_path(spec)).maximum_difference
        note(f"head.onnx: largest difference {difference:.0e}")
    elif known is not None:
        note("head.onnx: not compared; give its run or checkpoint with --head")
        return 1
    return 0
