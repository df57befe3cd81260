"""The command `sidecars undo`."""

from functools import partial
from pathlib import Path

import click

from geograph_types.cli.options import any_path
from geograph_types.cli.photo_list import named_paths
from geograph_types.cli.progress import track
from geograph_types.cli.tag_sidecars import SidecarTally


@click.group(epilog="Example: geograph-types sidecars undo holiday/")
def sidecars() -> None:
    """Take tags out of sidecars again; 'tag --xmp' puts them in."""


@sidecars.command(epilog="Example: geograph-types sidecars undo holiday/ --dry-run")
@click.argument("photos", nargs=-1, required=True, type=any_path)
@click.option("--dry-run", is_flag=True, help="Show what would change, and write nothing.")
def undo(photos: tuple[Path, ...], dry_run: bool) -> int:
    """Take back exactly what 'tag --xmp' added to the sidecars of photographs.

    PHOTOS are photos, which need not be there any more, their sidecars, and folders, or "-" for a
    list of them on standard input. A sidecar that holds nothing else is removed.
    """
    from geograph_types.sidecars.plan import plan_undo
    from geograph_types.sidecars.search import find_sidecars

    tally = SidecarTally(dry_run)
    paths = list(dict.fromkeys(find_sidecars(named_paths(photos))))
    for path in track(paths, "sidecars", len(paths)):
        tally.take(partial(plan_undo, path))
    return tally.finish("changed")
