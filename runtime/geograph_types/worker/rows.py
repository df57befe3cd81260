"""The rows of an answer, and what comes of each."""

from collections.abc import Sequence
from dataclasses import dataclass

from geograph_types.errors import RowError
from geograph_types.worker.protocol import GivenRow, ImageEmbedding, Label, failed_label, read_row


@dataclass(frozen=True, slots=True)
class RowResult:
    """What came of one row."""

    number: int  # of the photo
    labels: tuple[Label, ...]
    embedding: ImageEmbedding | None = None  # if it was made here
    fault: str = ""  # why the labels are "Failed"; empty if they are not
    detail: str = ""

    @classmethod
    def failed(cls, number: int, fault: str, detail: str) -> "RowResult":
        """Return the result of a row that cannot be used."""
        return cls(number, failed_label(number), None, fault, detail)


@dataclass(frozen=True, slots=True)
class GivenRows:
    """The rows of an answer; each photo is there once, as it was given first."""

    by_number: dict[int, GivenRow | RowError]
    nameless: list[RowError]  # of no known photo, so that nothing can be sent back
    repeated: int  # left out, since the answer has their photos twice

    @classmethod
    def read(cls, given: Sequence[bytes]) -> "GivenRows":
        """Read rows, each as JSON."""
        by_number: dict[int, GivenRow | RowError] = {}
        nameless = []
        for place, data in enumerate(given, start=1):
            row = read_row(data, place)
            if not isinstance(row, RowError):
                by_number.setdefault(row.number, row)
            elif row.gridimage_id is not None:
                by_number.setdefault(row.gridimage_id, row)
            else:
                nameless.append(row)
        return cls(by_number, nameless, len(given) - len(by_number) - len(nameless))
