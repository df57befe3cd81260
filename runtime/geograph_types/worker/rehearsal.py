"""One round without consequences: what would be sent is given, and nothing is sent or kept."""

from collections.abc import Callable, Iterator
from itertools import chain

from geograph_types.worker.labeller import Labeller, RowResult
from geograph_types.worker.protocol import Answer
from geograph_types.worker.rows import sort_rows
from geograph_types.worker.tally import Tally

__all__ = ["rehearse"]


def rehearse(
    answer: Answer, limit: int, labeller: Labeller, tally: Tally, tell: Callable[[str], None]
) -> Iterator[RowResult]:
    """Label the rows of an answer.

    Args:
        answer: of the server.
        limit: rows that were asked for.
        labeller: that computes.
        tally: that counts.
        tell: takes a line for people.

    Yields:
        What would be sent of each photo.
    """
    rows = sort_rows(answer.rows[:limit])
    tally.read(rows, len(answer.rows[:limit]), tell)
    for result in chain(rows.failed, *labeller.label(rows.good, answer.prefix)):
        tally.count(result, tell)
        yield result
    postponed = labeller.postponed
    tally.leave([*postponed.rows, *postponed.unreachable], postponed, tell)
