"""The commands `checkpoint export` and `checkpoint import`."""

from pathlib import Path

import click

from geograph_types.cli.notices import note
from geograph_types.cli.options import any_path, output_path


@click.group(epilog="Example: geograph-types checkpoint export runs/first first.pth")
def checkpoint() -> None:
    """Write and read heads in the form that Geograph releases (.pth)."""


@checkpoint.command("export", epilog="Example: geograph-types checkpoint export runs/first f.pth")
@click.argument("run", type=any_path)
@click.argument("out", type=output_path)
def export(run: Path, out: Path) -> int:
    """Write the head of RUN to OUT: a .pth file that Geograph's own loader reads, or .json.

    The JSON file holds the same layers as lists of numbers, for other languages. A calibration that
    'evaluate --keep' stored is in it, and is left out of a .pth file.
    """
    from geograph_types_trainer.checkpoint.convert import export_checkpoint

    if export_checkpoint(run, out):
        note("the head's calibration is left out: this form has no place for it")
    note(f"written: {out}")
    return 0


@checkpoint.command("import", epilog="Example: geograph-types checkpoint import f.pth --out runs/f")
@click.argument("file", type=any_path)
@click.option("--out", type=any_path, required=True, metavar="RUN", help="New folder of the run.")
def import_(file: Path, out: Path) -> int:
    """Make a run from FILE, a released checkpoint; no code in it is run."""
    from geograph_types_trainer.checkpoint.convert import import_checkpoint

    import_checkpoint(file, out)
    note(f"written: {out}")
    return 0
