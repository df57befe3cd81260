"""What came back of a load: how many answers of which kind, and how soon."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from service.exchange import NO_ANSWER

TIMED_OUT: Final = -1
"""In place of a status."""
NAMES: Final = {NO_ANSWER: "no answer", TIMED_OUT: "timed out"}
REFUSALS: Final = (429, 503)
GOOD_SHARE: Final = 0.99
MOST_GROWTH: Final = 0.03
"""Seconds of latency a second; a queue grows so where 3 % more comes than goes."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one request."""

    due: float  # when it was to be sent, in seconds from the start
    late: float  # seconds by which it was sent later than that
    seconds: float  # from when it was due to the end of its answer
    status: int  # of the answer, or `NO_ANSWER` or `TIMED_OUT`


class Times(msgspec.Struct, frozen=True):
    """How soon answers came, in seconds."""

    median: float
    p99: float

    def text(self) -> str:
        """Return the median and the 99th percentile in milliseconds."""
        return f"{1000 * self.median:.0f} / {1000 * self.p99:.0f}"


class Load(msgspec.Struct, frozen=True):
    """One load on a service."""

    seconds: float  # during which requests were sent
    # requests per second that were due; for clients that wait for answers, that were sent
    asked: float
    counts: dict[str, int]  # of answers by status
    accepted: Times | None  # how soon the answers 200 came, from when their requests were due
    refused: Times | None  # the same of 429 and 503
    # of the median latency of accepted requests, from the middle third of the time to the last, in
    # seconds per second
    growth: float
    late: float  # 99th percentile of the seconds by which requests were sent later than due
    cpu_seconds: float  # of the process that sent them

    @property
    def served(self) -> float:
        """Photos a second."""
        return self.counts.get("200", 0) / self.seconds

    @property
    def refusals(self) -> int:
        """Answers 429 and 503."""
        return sum(self.counts.get(str(status), 0) for status in REFUSALS)

    @property
    def lost(self) -> int:
        """Requests that were neither served nor refused."""
        return sum(self.counts.values()) - self.counts.get("200", 0) - self.refusals

    @property
    def sustained(self) -> bool:
        """Whether the service kept up: 99 % served, and no queue that grows."""
        served = self.counts.get("200", 0) / max(sum(self.counts.values()), 1)
        return served >= GOOD_SHARE and self.growth <= MOST_GROWTH


def summarise(answers: Sequence[Answer], seconds: float, cpu_seconds: float) -> Load:
    """Count and sort; there is at least one answer."""
    accepted = [answer for answer in answers if answer.status == 200]
    refused = [answer.seconds for answer in answers if answer.status in REFUSALS]
    counts = Counter(NAMES.get(answer.status, str(answer.status)) for answer in answers)
    return Load(
        seconds=seconds,
        asked=len(answers) / seconds,
        counts=dict(counts),
        accepted=_times([answer.seconds for answer in accepted]),
        refused=_times(refused),
        growth=_growth(accepted, seconds),
        late=_quantile(sorted(answer.late for answer in answers), 0.99),
        cpu_seconds=cpu_seconds,
    )


def _times(values: list[float]) -> Times | None:
    values = sorted(values)
    if not values:
        return None
    return Times(*(_quantile(values, share) for share in (0.5, 0.99)))


def _growth(accepted: Sequence[Answer], seconds: float) -> float:
    third = seconds / 3
    middle = sorted(answer.seconds for answer in accepted if third <= answer.due < 2 * third)
    last = sorted(answer.seconds for answer in accepted if answer.due >= 2 * third)
    if not (middle and last):
        return 0.0
    return (_quantile(last, 0.5) - _quantile(middle, 0.5)) / third


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]
