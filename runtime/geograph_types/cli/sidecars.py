"""The command `sidecars undo`."""

from pathlib import Path

import click

from geograph_types.cli.notices import note
from geograph_types.cli.options import any_path
from geograph_types.cli.photo_list import named_paths
from geograph_types.cli.progress import track
from geograph_types.cli.tag_sidecars import show_plan
from geograph_types.sidecars import SidecarError


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
    from geograph_types.sidecars.plan import apply_plan, plan_undo
    from geograph_types.sidecars.search import find_sidecars

    changed = failed = 0
    paths = list(dict.fromkeys(find_sidecars(named_paths(photos))))
    for path in track(paths, "sidecars", len(paths)):
        try:
            plan = plan_undo(path)
            if dry_run:
                show_plan(plan)
            else:
                apply_plan(plan)
        except SidecarError as error:
            failed += 1
            note(f"error: {error}")
        else:
            changed += plan.changes
    verb = "would be changed" if dry_run else "changed"
    note(f"{changed} sidecars {verb}" + (f", {failed} failed" if failed else ""))
    return 1 if failed else 0
