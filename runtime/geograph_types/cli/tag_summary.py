"""What to say of a run of `tag`: each failure as it comes, the rest at the end."""

from collections import Counter
from dataclasses import dataclass, field

from geograph_types.cli.notices import failures, note
from geograph_types.photos.result import PhotoResult

__all__ = ["TagSummary"]


@dataclass(slots=True)
class TagSummary:
    """Counts of a run.

    Attributes:
        photos: how many have a result.
        faults: how many failed, by reason.
        failed_sidecars: how many could not be written.
        problems: photos by kind of problem with their EXIF positions.
        examples: one of each kind.
    """

    photos: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    failed_sidecars: int = 0
    problems: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, result: PhotoResult) -> None:
        """Count a photo, and say why it failed."""
        self.photos += 1
        if result.error is not None:
            self.faults[result.error.fault.value] += 1
            note(f"error: {result.error}")
        for problem in result.problems:
            # What stands in brackets differs from photo to photo.
            kind = problem.partition(" (")[0]
            self.problems[kind] += 1
            self.examples.setdefault(kind, f"{result.path}: {problem}")

    def show(self) -> int:
        """Say it all, and give the exit status."""
        for kind, number in self.problems.most_common():
            more = f" (and {number - 1} more photos)" if number > 1 else ""
            note(f"note: {self.examples[kind]}{more}; not used for the distance")
        failed = self.faults.total()
        note(f"{self.photos - failed} photos tagged{failures(self.faults)}")
        return 1 if failed or self.failed_sidecars else 0
