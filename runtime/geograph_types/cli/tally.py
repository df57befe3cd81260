"""What became of photos, rows, files and shards: counts, messages and the exit status."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from geograph_types.cli.notices import note
from geograph_types.errors import InputError

if TYPE_CHECKING:
    from geograph_types.archive.job import Outcome
    from geograph_types.stored.batch import RowBatch

SHOWN_ROWS = 20
"""Bad rows that are named on standard error; the results name them all."""


class Tally:
    """Photos or rows, and the files that they come from, by what became of them."""

    def __init__(self, what: str, verb: str) -> None:
        self.what = what  # is counted, such as "photos"
        self.total = 0
        self.faults: Counter[str] = Counter()  # of those that could not be used, by reason
        self.found = 0  # files or shards that an earlier run has finished
        self.made = 0  # shards of this run
        self._verb = verb  # what was done to them
        self._problems = 0

    def fail(self, fault: str, message: object, shown: float = math.inf) -> None:
        """Count one that could not be used, and say why, unless so many were named already."""
        self.faults[fault] += 1
        if self.faults.total() <= shown:
            note(f"error: {message}")

    def add(self, batch: "RowBatch", file: str | None) -> None:
        """Count a batch; name its bad rows, with their file if there are several."""
        self.total += len(batch)
        for error in batch.errors:
            self.fail(error.fault.value, f"{file}, {error}" if file else error, SHOWN_ROWS)

    def add_finished(self, rows: int, faults: Mapping[str, int]) -> None:
        self.found += 1
        self.total += rows
        self.faults.update(faults)

    @contextmanager
    def reading(self, is_alone: bool) -> Iterator[None]:
        """Count a file that cannot be read, or not to its end, unless it is alone."""
        try:
            yield
        except InputError as error:
            if is_alone:
                raise
            self._add_problem(error)

    def add_shard(self, outcome: "Outcome") -> None:
        if outcome.problem is not None:
            self._add_problem(outcome.problem)
            return
        self.add_finished(outcome.rows, outcome.failed)
        if outcome.made:
            self.found -= 1
            self.made += 1

    def _add_problem(self, problem: object) -> None:
        self._problems += 1
        note(f"error: {problem}")

    def finish(self, files: str = "") -> int:
        """Report the totals and in what state files are, and return the exit status."""
        failed = self.faults.total()
        line = f"{self.total - failed} {self.what} {self._verb}"
        if failed:
            reasons = ", ".join(f"{number} {fault}" for fault, number in self.faults.most_common())
            line += f", {failed} failed: {reasons}"
        line += files
        if self._problems:
            line += f"; {self._problems} files could not be read"
        note(line)
        return 1 if failed or self._problems else 0
