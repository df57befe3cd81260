"""What is said of a dataset's bad rows, alike in every command that leaves them out."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from geograph_types.cli.notices import note

if TYPE_CHECKING:
    from geograph_types_trainer.dataset.source import BadRows


def report_bad_rows(bad: "BadRows", data: Path) -> int:
    """Report which rows took no part and why; return the exit status, 1 if there are any."""
    if not bad.rows:
        return 0
    note(f"{sum(bad.counts.values())} rows of {data} took no part:")
    for reason in bad.reasons:
        note(f"  {reason}")
    return 1


def status_of_bad_rows(bad_rows: Mapping[str, int], data: Path | str) -> int:
    """Report how many rows took no part and why; return the exit status, 1 if there are any."""
    if not bad_rows:
        return 0
    reasons = ", ".join(f"{number} {fault}" for fault, number in bad_rows.items())
    note(
        f"{sum(bad_rows.values())} rows of {data} took no part: {reasons} "
        "('dataset stats' names them)"
    )
    return 1
