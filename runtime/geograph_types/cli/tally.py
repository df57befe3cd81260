"""What became of rows, files and shards: counts, messages and the exit status."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from geograph_types.archive.job import Outcome
from geograph_types.cli.notices import failures, note
from geograph_types.errors import InputError
from geograph_types.stored.batch import RowBatch

SHOWN_ERRORS = 20
"""Bad rows that are named on standard error; the results name them all."""


class Tally:
    """Rows or photos, and the files that they come from, by what became of them."""

    def __init__(self, what: str, verb: str) -> None:
        """Count nothing yet; `what` is counted, and `verb` says what was done to it."""
        self.what = what
        self.found = 0  # files or shards that an earlier run has finished
        self.made = 0  # shards of this run
        self._verb = verb
        self._rows = 0
        self._faults: Counter[str] = Counter()
        self._problems = 0

    def add(self, batch: RowBatch, file: str | None) -> None:
        """Count a batch; name its bad rows, with their file if there are several."""
        self._rows += len(batch)
        for error in batch.errors:
            self._faults[error.fault.value] += 1
            if self._faults.total() <= SHOWN_ERRORS:
                note(f"error: {file}, {error}" if file else f"error: {error}")

    def add_finished(self, rows: int, faults: Mapping[str, int]) -> None:
        """Count a file that an earlier run has finished."""
        self.found += 1
        self._rows += rows
        self._faults.update(faults)

    @contextmanager
    def reading(self, is_alone: bool) -> Iterator[None]:
        """Count a file that cannot be read, or not to its end, unless it is alone."""
        try:
            yield
        except InputError as error:
            if is_alone:
                raise
            self.add_problem(error)

    def add_problem(self, problem: object) -> None:
        """Count a file or shard that is not there."""
        self._problems += 1
        note(f"error: {problem}")

    def add_shard(self, outcome: Outcome) -> None:
        """Count a shard; report why there is none."""
        if outcome.problem is not None:
            self.add_problem(outcome.problem)
            return
        self.add_finished(outcome.rows, outcome.failed)
        if outcome.made:
            self.found -= 1
            self.made += 1

    def finish(self, files: str = "") -> int:
        """Report the totals on standard error, and return the exit status.

        `files` says in what state files or shards are.
        """
        failed = self._faults.total()
        line = f"{self._rows - failed} {self.what} {self._verb}{failures(self._faults)}{files}"
        if self._problems:
            line += f"; {self._problems} files could not be read"
        note(line)
        return 1 if failed or self._problems else 0
