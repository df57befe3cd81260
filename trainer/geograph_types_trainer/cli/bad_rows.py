"""What is said of a dataset's bad rows, alike in every command that leaves them out."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from geograph_types.cli.notices import note


def report_bad_rows(
    counts: Mapping[str, int], data: Path | str, reasons: Sequence[str] = ()
) -> int:
    """Report how many rows took no part and why; return the exit status, 1 if there are any."""
    if not counts:
        return 0
    line = f"{sum(counts.values())} rows of {data} took no part:"
    if not reasons:
        faults = ", ".join(f"{number} {fault}" for fault, number in counts.items())
        line += f" {faults} ('dataset stats' names them)"
    for text in (line, *(f"  {reason}" for reason in reasons)):
        note(text)
    return 1
