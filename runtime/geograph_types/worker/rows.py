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
        return cls(number, failed_label(number), None, fault, detail)


def read_rows(given: Sequence[bytes]) -> tuple[dict[int, GivenRow | RowError], list[RowError]]:
    """Read rows, each as JSON.

    Return them by the numbers of their photos, each as it was given first, and those of no known
    photo, for which nothing can be sent back.
    """
    by_number: dict[int, GivenRow | RowError] = {}
    nameless = []
    for place, data in enumerate(given, start=1):
        row = read_row(data, place)
        number = row.gridimage_id if isinstance(row, RowError) else row.number
        if number is not None:
            by_number.setdefault(number, row)
        elif isinstance(row, RowError):
            nameless.append(row)
    return by_number, nameless
