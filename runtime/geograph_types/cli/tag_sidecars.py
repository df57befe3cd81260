"""The sidecars that `tag --xmp` and `sidecars undo` change, or would change."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from geograph_types.cli.notices import note
from geograph_types.files.text import displayable
from geograph_types.photos.result import PhotoResult
from geograph_types.sidecars import SidecarError

if TYPE_CHECKING:
    from geograph_types.sidecars.plan import SidecarPlan


class SidecarTally:
    """Carry out plans, or show them in a dry run, and count what became of them."""

    def __init__(self, dry_run: bool) -> None:
        self._dry_run = dry_run
        self._changed = 0
        self._failed = 0

    def take(self, make: "Callable[[], SidecarPlan]") -> "SidecarPlan | None":
        """Make and carry out a plan, and return it; write an error if it fails."""
        from geograph_types.sidecars.plan import apply_plan

        try:
            plan = make()
            if not self._dry_run:
                apply_plan(plan)
            elif plan.changes:
                for line in (str(plan.path), *(f"  {line}" for line in plan.lines())):
                    click.echo(displayable(line))
        except SidecarError as error:
            self._failed += 1
            note(f"error: {error}")
            return None
        self._changed += plan.changes
        return plan

    def finish(self, done: str) -> int:
        """Report the counts, `done` being what became of sidecars; return the exit status."""
        verb = f"would be {done}" if self._dry_run else done
        failed = f", {self._failed} failed" if self._failed else ""
        note(f"{self._changed} sidecars {verb}{failed}")
        return 1 if self._failed else 0


class SidecarOutput:
    """Write each photo's tags into its sidecar; those of a photo that failed stay as they are."""

    def __init__(self, dry_run: bool, name: str) -> None:
        # So that a missing extra is reported before any work is done.
        from geograph_types.sidecars.plan import plan_tags

        self._plan_tags = plan_tags
        self._tally = SidecarTally(dry_run)
        self._without_suffix = name == "photo.xmp"
        self._short: list[str] = []
        self._hidden: list[str] = []

    def write(self, result: PhotoResult) -> None:
        """Put the photo's tags, but for a best guess, into its sidecar in place of ours."""
        prediction = result.prediction
        if prediction is None:
            return
        plan = self._tally.take(
            lambda: self._plan_tags(
                result.path, prediction.tags_without_guess, self._without_suffix
            )
        )
        if plan and plan.changes:
            if plan.path.stem == result.path.stem and plan.before is not None:
                self._short.append(str(plan.path))
            if plan.hidden:
                self._hidden.append(str(plan.hidden))

    def finish(self) -> int:
        """Report how many there were, and which were not new files of ours."""
        status = self._tally.finish("written")
        if self._short:
            note(f"note: {len(self._short)} of them were there already, such as {self._short[0]}")
        if self._hidden:
            note(
                f"note: {len(self._hidden)} photos share a sidecar with another file, such as "
                f"{self._hidden[0]}: programs that read photo.jpg.xmp first no longer see that one"
            )
        return status
