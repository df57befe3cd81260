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
        """Whether some inputs failed."""
        return bool(self.faults or self.refused or self.left)

    def count(self, result: RowResult) -> None:
        if result.fault:
            self.faults[result.fault] += 1
            self.tell(f"error: photo {result.number}: {result.fault}: {result.detail}")
        else:
            self.labelled += 1
            self.certain += result.certain

    def line(self) -> str:
        parts = [f"{self.rounds} rounds, {self.rows} rows: {self.labelled} labelled"]
        if self.certain:
            parts.append(f"{self.certain} tags certain")
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
        bad = f", {self.failures} of them without a good answer" if self.failures else ""
        return ", ".join(parts) + f"; {self.requests} requests{bad}"
