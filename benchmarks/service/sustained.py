"""The highest rate that a service keeps up with, by bisection."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from geograph_types.errors import BackendError
from service.answers import Load
from service.running import Running

GUESS_CLIENTS: Final = 8
GUESS_SECONDS: Final = 6.0
FIRST_SHARE: Final = 0.9
"""Of the guess, to be tried first."""
LOWEST_SHARE: Final = 0.4
HIGHEST_SHARE: Final = 1.3


@dataclass
class Search:
    """What is known of one service's highest rate."""

    low: float  # photos per second that it can probably do
    high: float  # that it cannot
    rate: float  # to be tried next
    tried: list[Load] = field(default_factory=list)  # loads so far, in order
    megabytes: float = 0.0  # resident at most during them

    @classmethod
    def around(cls, guess: float) -> "Search":
        """Begin near a rate that a few clients reached who wait for their answers."""
        return cls(LOWEST_SHARE * guess, HIGHEST_SHARE * guess, FIRST_SHARE * guess)

    def step(self, service: Running, requests: Path, seconds: float) -> None:
        """Try the next rate, and narrow the search by what becomes of it."""
        load, weights = service.load(requests, seconds, rate=self.rate)
        self.megabytes = max(self.megabytes, *weights)
        self.tried.append(load)
        if load.sustained:
            self.low = self.rate
        else:
            self.high = self.rate
        self.rate = (self.low + self.high) / 2

    @property
    def best(self) -> Load:
        """The load of the highest rate that was sustained."""
        kept = [load for load in self.tried if load.sustained]
        if not kept:
            raise BackendError("no rate was sustained: the machine is too busy to measure")
        return max(kept, key=lambda load: load.asked)


def search_together(
    services: Mapping[str, Running], requests: Path, steps: int, seconds: float
) -> dict[str, Search]:
    """Search for each service's highest rate, one step of each in turn."""
    searches = {}
    for name, service in services.items():
        guess, _ = service.load(requests, GUESS_SECONDS, clients=GUESS_CLIENTS)
        searches[name] = Search.around(max(guess.served, 1.0))
    for _ in range(steps):
        for name, service in services.items():
            searches[name].step(service, requests, seconds)
    return searches
