"""The sidecars that `tag` writes, or says it would write."""

from typing import TYPE_CHECKING

import click

from geograph_types.cli.notices import note
from geograph_types.files.text import displayable
from geograph_types.photos.result import PhotoResult
from geograph_types.sidecars.plan import SidecarError

if TYPE_CHECKING:
    from geograph_types.sidecars.plan import SidecarPlan


class SidecarOutput:
    """Write each photo's tags into its sidecar; those of a photo that failed stay as they are.

    Attributes:
        changed: sidecars that were written, or would be.
        failed: sidecars that could not be.
    """

    def __init__(self, dry_run: bool) -> None:
        """Get ready.

        Raises:
            MissingExtraError: exiv2, which checks what is written, is not installed.
        """
        import geograph_types.sidecars.plan  # noqa: F401

        self._dry_run = dry_run
        self.changed = 0
        self.failed = 0

    def write(self, result: PhotoResult) -> None:
        """Have the photo's certain tags, and no earlier ones of ours, in its sidecar."""
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
        """Say how many there were."""
        verb = "would be written" if self._dry_run else "written"
        failed = f", {self.failed} failed" if self.failed else ""
        note(f"{self.changed} sidecars {verb}{failed}")


def show_plan(plan: "SidecarPlan") -> None:
    """Say on standard output what a plan would change; nothing where that is nothing."""
    if plan.changes:
        click.echo(displayable(str(plan.path)))
        for line in plan.lines():
            click.echo(f"  {displayable(line)}")
