"""The commands `bundle show` and `bundle verify`; the export adds `bundle build`."""

from pathlib import Path

import click

from geograph_types.bundle import Bundle
from geograph_types.cli.notices import echo_json, warn_of_stand_in
from geograph_types.cli.options import any_path, json_option
from geograph_types.files.text import displayable
from geograph_types.manifest import Manifest
from geograph_types.thresholds import STATES


@click.group(epilog="Example: geograph-types bundle verify model")
def bundle() -> None:
    """Show, verify or build a model bundle."""


@bundle.command(epilog="Example: geograph-types bundle show model")
@click.argument("folder", type=any_path, metavar="DIR")
@json_option
def show(folder: Path, as_json: bool) -> int:
    """Show what a bundle contains."""
    opened = Bundle.open(folder)
    warn_of_stand_in(opened)
    if as_json:
        echo_json(opened.manifest)
        return 0
    for line in _lines(opened.manifest):
        click.echo(displayable(line))
    return 0


@bundle.command(epilog="Example: geograph-types bundle verify model")
@click.argument("folder", type=any_path, metavar="DIR")
def verify(folder: Path) -> int:
    """Check that every file of a bundle is the one that its manifest names.

    Digests show damage and mix-ups. They do not show who made the bundle.
    """
    opened = Bundle.open(folder)
    warn_of_stand_in(opened)
    opened.verify()
    count = len(opened.manifest.files)
    line = f"{opened.label}: {count} files intact (integrity, not authorship)"
    click.echo(displayable(line))
    return 0


def _lines(manifest: Manifest) -> list[str]:
    lines = [f"{manifest.name} {manifest.version} (schema {manifest.schema_version})"]
    if manifest.encoder:
        kind = "stand-in weights" if manifest.encoder.stand_in else "weights"
        lines.append(f"encoder    {kind} {manifest.encoder.weights} {manifest.encoder.sha256[:12]}")
    if manifest.head:
        lines.append(f"head       {manifest.head.name} {manifest.head.sha256[:12]}")
        lines += [f"           {key}: {value:.4f}" for key, value in manifest.head.metrics.items()]
    thresholds = manifest.thresholds
    lines.append(f"certain    {thresholds.guarantee or 'no thresholds were looked for'}")
    for state in STATES:
        found = thresholds.of(state)
        tags = ", ".join(f"{name} {value:.2f}" for name, value in found.tags.items())
        lines.append(f"thresholds distance {state}: {tags}")
        certain = found.certain.items()
        tags = ", ".join(f"{k} {v.threshold:.2f} ({v.coverage:.0%})" for k, v in certain)
        if thresholds.guarantee:
            lines.append(f"certain    distance {state} (share of its photos): {tags or 'none'}")
    for file in manifest.files:
        lines.append(f"file       {file.path:<20} {file.size / 1e6:8.2f} MB  {file.sha256[:12]}")
    for fidelity in manifest.fidelity:
        cosine = fidelity.minimum_cosine
        least = "" if cosine is None else f"cosine at least {cosine:.6f}, "
        lines.append(
            f"fidelity   {fidelity.path:<20} {least}largest difference "
            f"{fidelity.maximum_difference:.1e} ({fidelity.samples} samples, {fidelity.reference})"
        )
    return lines
