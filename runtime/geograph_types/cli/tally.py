"""What became of the shards of a run: counts, messages and the exit status."""

from collections import Counter
from pathlib import Path

from geograph_types.archive.job import Outcome
from geograph_types.cli.notices import failures, note
from geograph_types.errors import InputError
from geograph_types.stored.batch import RowBatch

SHOWN_ERRORS = 20
"""Bad rows that are named on standard error; the results name them all."""


class RowTally:
    """Rows and files by what became of them; bad ones are reported as they come."""

    def __init__(self, verb: str) -> None:
        """Count nothing yet."""
        self._verb = verb
        self._good = 0
        self._faults: Counter[str] = Counter()
        self._files_failed = 0
        self._files_skipped = 0

    def add(self, batch: RowBatch, file: str | None) -> None:
        """Count a batch; name its bad rows, with their file if there are several."""
        self._good += len(batch.rows)
        for error in batch.errors:
            self._faults[error.fault.value] += 1
            if self._faults.total() <= SHOWN_ERRORS:
                note(f"error: {file}, {error}" if file else f"error: {error}")

    def add_finished(self, rows: int, faults: dict[str, int]) -> None:
        """Count a file that an earlier run has finished."""
        self._files_skipped += 1
        self._good += rows - sum(faults.values())
        self._faults.update(faults)

    def add_failed_file(self, error: InputError) -> None:
        """Count a file that cannot be read, or not to its end."""
        self._files_failed += 1
        note(f"error: {error}")

    def finish(self) -> int:
        """Report the totals on standard error, and return the exit status."""
        line = f"{self._good} rows {self._verb}{failures(self._faults)}"
        if self._files_skipped:
            line += f"; {self._files_skipped} files were finished before"
        if self._files_failed:
            line += f"; {self._files_failed} files could not be read"
        note(line)
        return 1 if self._faults or self._files_failed else 0


class ShardTally:
    """Shards and their rows by what became of them."""

    def __init__(self, what: str, shards: int) -> None:
        """Count nothing yet."""
        self.what = what
        self._shards = shards
        self._there = 0
        self.found = 0
        self._rows = 0
        self._faults: Counter[str] = Counter()
        self._problems = 0

    def add(self, outcome: Outcome) -> None:
        """Count a shard; say why there is none."""
        if outcome.problem is not None:
            self._problems += 1
            note(f"error: {outcome.problem}")
            return
        self._there += 1
        self.found += not outcome.made
        self._rows += outcome.rows
        self._faults.update(outcome.failed)

    @property
    def complete(self) -> bool:
        """Whether every shard is there."""
        return self._there == self._shards

    def show_progress(self) -> None:
        """Report what an interrupted run leaves."""
        note(
            f"{self._there} of {self._shards} shards are finished and stay: "
            "run the same command again to go on"
        )

    def finish(self, output: Path) -> int:
        """Report the totals on standard error, and return the exit status."""
        failed = self._faults.total()
        line = f"{self._rows - failed} {self.what} tagged{failures(self._faults)}"
        line += f"; {self._there} shards in {output}"
        if self.found:
            line += f", {self.found} of them finished before"
        if self._problems:
            line += f"; {self._problems} files could not be read"
        note(line)
        return 1 if failed or self._problems else 0
