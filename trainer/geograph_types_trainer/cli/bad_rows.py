"""What is said of a dataset's bad rows, alike in every command that leaves them out."""

from collections.abc import Mapping
from pathlib import Path

from geograph_types.cli.notices import note


def status_of_bad_rows(bad_rows: Mapping[str, int], data: Path | str) -> int:
    """Report how many rows took no part and why; return the exit status, 1 if there are any."""
    if not bad_rows:
        return 0
    reasons = ", ".join(f"{number} {fault}" for fault, number in bad_rows.items())
    note(f"{sum(bad_rows.values())} rows of {data} took no part: {reasons}")
    return 1
