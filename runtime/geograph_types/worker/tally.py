"""What a worker has done so far."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from geograph_types.worker.protocol import RowResult


@dataclass(slots=True)
class Tally:
    """Counts of a run, which are reported as they come."""

    tell: Callable[[str], None]  # takes a line for people
    rounds: int = 0
    rows: int = 0
    labelled: int = 0
    certain: int = 0  # tags of these that hold with the bundle's guarantee
    faults: Counter[str] = field(default_factory=Counter)  # rows that cannot be used, by reason
    repeated: int = 0  # rows that were given again, and not computed again
    sent_again: int = 0  # of these, those that the server had lost
    left: int = 0  # images of the last round that are left for later
    accepted: int = 0  # sets of labels that the server has accepted
    refused: int = 0  # photos whose results it refuses
    requests: int = 0  # to the server
    failures: int = 0  # of these, those without a good answer
    waiting: int = 0  # photos whose results wait to be sent, at the end

    @property
    def failed(self) -> bool:
        return bool(self.faults or self.refused or self.left)

    def count(self, result: RowResult) -> None:
        if result.fault:
            self.faults[result.fault] += 1
            self.tell(f"error: photo {result.number}: {result.fault}: {result.detail}")
        else:
            self.labelled += 1
            self.certain += result.certain

    def line(self) -> str:
        reasons = ", ".join(f"{count} {fault}" for fault, count in self.faults.most_common())
        again = f" ({self.sent_again} sent again)" if self.sent_again else ""
        counts = (
            (self.certain, "tags certain"),
            (self.faults.total(), f"failed ({reasons})"),
            (self.repeated, f"given again{again}"),
            (self.left, "images left for later"),
        )
        parts = [f"{self.rounds} rounds, {self.rows} rows: {self.labelled} labelled"]
        parts += [f"{count} {what}" for count, what in counts if count]
        parts.append(f"{self.accepted} accepted")
        parts += [f"{self.refused} refused"] if self.refused else []
        bad = f", {self.failures} of them without a good answer" if self.failures else ""
        return ", ".join(parts) + f"; {self.requests} requests{bad}"
