"""The sidecars that `tag` writes, or would write."""

from typing import TYPE_CHECKING

import click

from geograph_types.cli.notices import note
from geograph_types.files.text import displayable
from geograph_types.photos.result import PhotoResult
from geograph_types.sidecars import SidecarError

if TYPE_CHECKING:
    from geograph_types.sidecars.plan import SidecarPlan


class SidecarOutput:
    """Write each photo's tags into its sidecar; those of a photo that failed stay as they are."""

    def __init__(self, dry_run: bool) -> None:
        """Load what writes them, so that a missing extra is reported before any work is done."""
        import geograph_types.sidecars.plan  # noqa: F401

        self._dry_run = dry_run
        self.changed = 0
        self.failed = 0

    def write(self, result: PhotoResult) -> None:
        """Put the photo's certain tags into its sidecar, in place of earlier ones of ours."""
        from geograph_types.sidecars.plan import apply_plan, plan_tags

        if result.prediction is None:
            return
        try:
            plan = plan_tags(result.path, result.prediction.certain_tags)
            if self._dry_run:
                show_plan(plan)
            else:
                apply_plan(plan)
        except SidecarError as error:
            self.failed += 1
            note(f"error: {error}")
            return
        self.changed += plan.changes

    def show(self) -> None:
        """Write the counts to standard error."""
        verb = "would be written" if self._dry_run else "written"
        failed = f", {self.failed} failed" if self.failed else ""
        note(f"{self.changed} sidecars {verb}{failed}")


def show_plan(plan: "SidecarPlan") -> None:
    """Write what a plan would change, if anything, to standard output."""
    if plan.changes:
        click.echo(displayable(str(plan.path)))
        for line in plan.lines():
            click.echo(f"  {displayable(line)}")
