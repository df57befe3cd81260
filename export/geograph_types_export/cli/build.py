"""`geograph-types bundle build`: a released head and CLIP's weights to the working model."""

from pathlib import Path
from typing import Final

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
)

EPILOG: Final = """\
Released heads are fetched once and kept in this user's cache folder, or in the one that
GEOGRAPH_TYPES_CACHE names; a file that was copied there serves as well. GEOGRAPH_TYPES_MIRROR is
the address of a folder to fetch them from in place of GitHub, HTTPS_PROXY that of a proxy. CLIP's
weights come from the Hugging Face hub through its client, with the client's cache and settings
(HF_HOME, HF_ENDPOINT, HF_HUB_OFFLINE). Without a network, give files: --head PATH.pth --weights
PATH.safetensors.

Example: geograph-types bundle build --head released:v2.3 --bundle model
"""


@click.command(epilog=EPILOG)
@click.option(
    "--head", required=True, metavar=HEAD, help=f"To put behind the encoder: {HEAD_HELP}."
)
@click.option(
    "--weights",
    default="openai",
    show_default=True,
    help="The encoder's: openai, a file, random:SEED (a stand-in), or auto.",
)
@click.option(
    "--precision",
    type=precision_choice,
    default="int8",
    show_default=True,
    help="The encoder's arithmetic: int8 for CPUs, fp16 for CUDA, fp32.",
)
@calibration_option
@bundle_option
def build(
    head: str, weights: str, precision: Precision, calibration: Path | None, bundle: Path
) -> int:
    """Build a bundle from a head and CLIP's weights, fetching what is not there.

    Head and encoder are written together, once both are checked; int8 is also judged by the tags
    of this head. Whatever fails before leaves the bundle as it was.
    """
    from geograph_types.session import load_backend
    from geograph_types_export.bundle.make import encoder_source, export_head, load_head
    from geograph_types_export.bundle.write import check_place, write_bundle

    check_calibration(calibration, precision)
    check_place(bundle)
    load_backend()  # the checks need it: without it, everything would be fetched in vain
    head_part = export_head(load_head(head_path(head)))
    loaded = named_weights(weights)
    check_place(bundle, encoder_source(loaded))
    encoder_part = make_encoder(loaded, precision, calibration, head_part.tags)
    written = write_bundle(bundle, head_part, encoder_part)
    note(fidelity_line(encoder_part.fidelity))
    note_unmeasured(written)
    note(f"{bundle}: written; the bundle is now {written.label}")
    return 0
