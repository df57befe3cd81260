"""The commands `catalog export`, `catalog stats` and `catalog prune`."""

from pathlib import Path

import click

from geograph_types.cli.notices import note
from geograph_types.cli.options import any_path, check_outputs, output_path
from geograph_types.errors import InputError
from geograph_types.photos.catalog import Catalog, open_catalog
from geograph_types.photos.outputs import check_suffix, new_results


@click.group(epilog="Example: geograph-types catalog stats tags.catalog")
def catalog() -> None:
    """Show, export or tidy what 'tag --catalog' keeps."""


@catalog.command(epilog="Example: geograph-types catalog export tags.catalog --out tags.csv")
@click.argument("file", type=any_path)
@click.option(
    "--out",
    type=output_path,
    required=True,
    metavar="FILE",
    help="Write results here: FILE.jsonl, FILE.csv or FILE.parquet.",
)
def export(file: Path, out: Path) -> int:
    """Write the last result of every photo in a catalogue, in the order of absolute paths."""
    check_outputs([out], [file])
    check_suffix(out)
    count = 0
    with open_catalog(file, read_only=True) as opened:
        with new_results(out) as write:
            for result in opened.results():
                write(result)
                count += 1
        note(f"{count} results written to {out}")
        return _untagged(opened)


@catalog.command(epilog="Example: geograph-types catalog stats tags.catalog")
@click.argument("file", type=any_path)
def stats(file: Path) -> int:
    """Count what is in a catalogue: photos, failures by reason, tags, models."""
    with open_catalog(file, read_only=True) as opened:
        click.echo(f"photos     {opened.photo_count()} ({file.stat().st_size / 1e6:.1f} MB)")
        for heading, column in (
            ("encoder", "encoder"),
            ("bundle", "model"),
            ("tag", "tags"),
            ("failed", "fault"),
        ):
            for name, number in opened.counts(column).items():
                shown = name[:12] if column == "encoder" else name
                click.echo(f"{heading:<10} {shown:<24} {number}")
        return _untagged(opened)


@catalog.command(epilog="Example: geograph-types catalog prune tags.catalog")
@click.argument("file", type=any_path)
def prune(file: Path) -> int:
    """Forget the photos whose files are gone; connect all drives first."""
    if not file.exists():
        raise InputError(f"{file} does not exist: check the spelling")
    with open_catalog(file) as opened:
        note(f"{opened.prune()} photos forgotten, {opened.photo_count()} left in {file}")
    return 0


def _untagged(opened: Catalog) -> int:
    """Report what a run that was stopped has left undone, and return the exit status."""
    count = opened.untagged()
    if count:
        note(
            f"{count} photos are not tagged yet, because a run was stopped: run it again, or use "
            "'catalog prune' to forget those that are gone"
        )
    return 1 if count else 0
