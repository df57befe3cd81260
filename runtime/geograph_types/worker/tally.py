"""What a worker has done so far."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from geograph_types.worker.labeller import Postponed
from geograph_types.worker.rows import RowResult, SortedRows


@dataclass(slots=True)
class Tally:
    """Counts of a run."""

    rounds: int = 0  # questions that were answered
    rows: int = 0  # that the server gave
    labelled: int = 0  # that were computed
    faults: Counter[str] = field(default_factory=Counter)  # rows that cannot be used, by reason
    repeated: int = 0  # rows that were given again, and not computed again
    sent_again: int = 0  # of these, those that the server had lost
    left: int = 0  # images of the last round that could not be reached, and are left for later
    accepted: int = 0  # sets of labels that the server has taken
    refused: int = 0  # photos whose results it will not take
    requests: int = 0  # to the server
    failures: int = 0  # of these, those that were not answered well
    waiting: int = 0  # photos whose results wait to be sent, at the end

    @property
    def failed(self) -> bool:
        """Whether some inputs failed."""
        return bool(self.faults or self.refused or self.left)

    def read(self, rows: SortedRows, given: int, tell: Callable[[str], None]) -> None:
        """Count the rows of an answer, and tell of those that nothing can be sent of."""
        self.rounds += 1
        self.rows += given
        self.repeated += rows.repeated
        for error in rows.nameless:
            self.faults[error.fault.value] += 1
            tell(f"error: {error}")

    def count(self, result: RowResult, tell: Callable[[str], None]) -> None:
        """Count what came of a row, and tell why it failed."""
        if result.fault:
            self.faults[result.fault] += 1
            tell(f"error: photo {result.number}: {result.fault}: {result.detail}")
        else:
            self.labelled += 1

    def leave(
        self, later: Sequence[tuple[int, str]], postponed: Postponed, tell: Callable[[str], None]
    ) -> None:
        """Count the images of a round that are left for later, and tell why."""
        self.left = len(later) + postponed.skipped
        for number, detail in later:
            tell(f"note: image of photo {number} left for later: {detail}")
        if postponed.skipped:
            tell(f"note: {postponed.skipped} images left for later: {postponed.why_skipped}")

    def line(self) -> str:
        """Return a summary in one line."""
        parts = [f"{self.rounds} rounds, {self.rows} rows: {self.labelled} labelled"]
        if self.faults:
            reasons = ", ".join(f"{count} {fault}" for fault, count in self.faults.most_common())
            parts.append(f"{self.faults.total()} failed ({reasons})")
        if self.repeated:
            again = f" ({self.sent_again} sent again)" if self.sent_again else ""
            parts.append(f"{self.repeated} given again{again}")
        if self.left:
            parts.append(f"{self.left} images left for later")
        parts.append(f"{self.accepted} accepted")
        if self.refused:
            parts.append(f"{self.refused} refused")
        bad = f", {self.failures} of them not answered well" if self.failures else ""
        return ", ".join(parts) + f"; {self.requests} requests{bad}"


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who hears of the work."""

    tally: Tally  # counts
    tell: Callable[[str], None]  # takes a line for people
    after_round: Callable[[], None]  # called after each round
