"""The commands `catalog export`, `catalog stats` and `catalog prune`."""

import sys
from pathlib import Path

import click

from geograph_types.cli.notices import note
from geograph_types.cli.options import any_path, check_outputs, results_option
from geograph_types.errors import InputError
from geograph_types.files.text import displayable
from geograph_types.photos.catalog import Catalog, open_catalog
from geograph_types.photos.find import NameFilter
from geograph_types.photos.outputs import check_suffix, new_results
from geograph_types.photos.stamp import is_gone, was_moved


@click.group(epilog="Example: geograph-types catalog stats tags.catalog")
def catalog() -> None:
    """Show, export or tidy what 'tag --catalog' keeps."""


@catalog.command(epilog="Example: geograph-types catalog export tags.catalog --out tags.csv")
@click.argument("file", type=any_path)
@results_option(required=True)
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
        columns = {"encoder": "encoder", "bundle": "model", "tag": "tags", "failed": "fault"}
        for heading, column in columns.items():
            for name, number in opened.counts(column).items():
                shown = name[:12] if column == "encoder" else name
                click.echo(f"{heading:<10} {shown:<24} {number}")
        return _untagged(opened)


@catalog.command(epilog="Example: geograph-types catalog prune tags.catalog")
@click.argument("file", type=any_path)
@click.option(
    "--exclude",
    multiple=True,
    metavar="PATTERN",
    help="Forget photos that fit too, and those in folders that fit; may be given again.",
)
@click.option("--yes", is_flag=True, help="Forget also photos whose whole folder is away.")
def prune(file: Path, exclude: tuple[str, ...], yes: bool) -> int:
    """Forget the photos whose files are gone; connect all drives first."""
    if not file.exists():
        raise InputError(f"{file} does not exist: check the spelling")
    with open_catalog(file) as opened:
        paths = opened.paths()
        gone = [path for path in paths if is_gone(path)]
        moved = [path for path in gone if was_moved(path)]
        if len(moved) < len(gone) and not yes and not _is_agreed(set(gone).difference(moved)):
            gone = moved
        opened.forget({*gone, *_excluded(paths, exclude)})
        left = opened.photo_count()
        note(f"{len(paths) - len(opened.paths())} photos forgotten, {left} left in {file}")
    return 0


def _is_agreed(away: set[Path]) -> bool:
    """Ask whether photos are to be forgotten whose drive may be away; without a terminal, no."""
    said = f"the folders of {len(away)} photos are away or empty, such as {min(away).parent}"
    if sys.stdin.isatty():
        return click.confirm(f"{displayable(said)}: forget these photos?", err=True)
    note(f"note: {said}: connect their drive, or give --yes to forget them")
    return False


def _excluded(paths: list[Path], patterns: tuple[str, ...]) -> list[Path]:
    """Find the photos that patterns leave out, by themselves or by a folder above them."""
    names, root = NameFilter(exclude=patterns), Path("/")
    found = [
        path
        for path in paths
        if any(names.leaves_out(root, one.relative_to(root)) for one in (path, *path.parents[:-1]))
    ]
    if unused := names.unused()[1]:
        raise InputError(f"--exclude {unused[0]!r} fits no photo: check the spelling")
    return found


def _untagged(opened: Catalog) -> int:
    """Report what a run that was stopped has left undone, and return the exit status."""
    count = opened.untagged()
    if count:
        note(
            f"{count} photos are not tagged yet, because a run was stopped: run it again, or use "
            "'catalog prune' to forget those that are gone"
        )
    return 1 if count else 0
