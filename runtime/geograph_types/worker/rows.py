"""The rows of an answer, sorted by what can be done with them."""

from collections.abc import Sequence
from dataclasses import dataclass

from geograph_types.errors import RowError
from geograph_types.worker.protocol import (
    GivenRow,
    ImageEmbedding,
    Label,
    failed_label,
    read_row,
)


@dataclass(frozen=True, slots=True)
class RowResult:
    """What came of one row."""

    number: int  # of the photo
    labels: tuple[Label, ...]  # to be sent
    embedding: ImageEmbedding | None = None  # to be sent, where it was made here
    fault: str = ""  # why the labels are "Failed"; empty where they are not
    detail: str = ""  # what was wrong

    @classmethod
    def failed(cls, number: int, fault: str, detail: str) -> "RowResult":
        """Make the result of a row that cannot be used."""
        return cls(number, failed_label(number), None, fault, detail)


@dataclass(frozen=True, slots=True)
class SortedRows:
    """The rows of an answer; each photo is there once, as it was given first."""

    good: list[GivenRow]  # rows to label
    failed: list[RowResult]  # results of rows that cannot be read but say which photo they are of
    # rows that cannot be read and do not say that; nothing can be sent of them
    nameless: list[RowError]
    repeated: int  # how many were left out, as the answer has their photos twice

    @property
    def numbers(self) -> list[int]:
        """The photos' numbers."""
        return [row.number for row in self.good] + [result.number for result in self.failed]

    def without(self, numbers: frozenset[int]) -> "SortedRows":
        """Leave photos out."""
        return SortedRows(
            [row for row in self.good if row.number not in numbers],
            [result for result in self.failed if result.number not in numbers],
            self.nameless,
            self.repeated,
        )


def sort_rows(given: Sequence[bytes]) -> SortedRows:
    """Read the rows of an answer, each as JSON."""
    rows = SortedRows([], [], [], 0)
    repeated = 0
    met: set[int] = set()
    for place, data in enumerate(given, start=1):
        row = read_row(data, place)
        number = row.gridimage_id if isinstance(row, RowError) else row.number
        if number in met:
            repeated += 1
        elif not isinstance(row, RowError):
            rows.good.append(row)
        elif number is None:
            rows.nameless.append(row)
        else:
            rows.failed.append(RowResult.failed(number, row.fault.value, row.detail))
        if number is not None:
            met.add(number)
    return SortedRows(rows.good, rows.failed, rows.nameless, repeated)
