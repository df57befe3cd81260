"""What `server.py` measures, and how it is shown."""

from collections.abc import Iterator

import msgspec

from measuring.machine import Machine
from measuring.spread import Spread, spread
from service.answers import Load


class Starts(msgspec.Struct, frozen=True):
    """How a service starts, of every round.

    Attributes:
        ready: seconds from the start of the process until it is ready.
        first: seconds until it has embedded a photo.
        idle: MB resident then.
    """

    ready: list[float]
    first: list[float]
    idle: list[float]


class ServiceResults(msgspec.Struct, frozen=True):
    """What was measured of one service.

    Attributes:
        name: of the service.
        starts: how it starts.
        tried: loads at the rates of the search.
        best: of these, the one at the highest rate that was sustained.
        loaded: MB resident at most during those loads.
        after: MB resident after all loads.
    """

    name: str
    starts: Starts
    tried: list[Load]
    best: Load
    loaded: float
    after: float


class ServerResults(msgspec.Struct, frozen=True):
    """One run of the benchmark.

    Attributes:
        before: the machine before measuring.
        after: the machine after it.
        services: ours first.
        sooner: the other's time until ready as a multiple of ours in the same round.
        faster: our highest sustained rate as a multiple of the other's.
        clients: loads on ours by clients that wait for their answers, of every round.
        library: photos a second in process, of every round.
        of_library: what those clients got as a share of it in the same round.
    """

    before: Machine
    after: Machine
    services: list[ServiceResults]
    sooner: Spread
    faster: float
    clients: list[Load]
    library: list[float]
    of_library: Spread

    def markdown(self) -> Iterator[str]:
        """Show it, line by line."""
        yield from self.before.markdown(self.after)
        yield ""
        yield (
            "| service | ready, s | first photo, s | MB then | highest sustained, photos/s "
            "| median / p99, ms | MB at most, after | load's share of a processor |"
        )
        yield "|---|---|---|---|---|---|---|---|"
        yield from (_row(service) for service in self.services)
        yield ""
        yield f"* ready {self.sooner.text(1)} times sooner"
        yield f"* {self.faster:.1f} times the highest sustained rate"
        served = ", ".join(f"{load.served:.1f}" for load in self.clients)
        library = ", ".join(f"{rate:.1f}" for rate in self.library)
        yield (
            f"* clients that wait for answers: {served} photos a second; in process {library}: "
            f"{self.of_library.text(2)} of it"
        )


class Overload(msgspec.Struct, frozen=True):
    """What became of more requests than can be served.

    Attributes:
        capacity: photos a second, the highest rate that was sustained.
        load: at a multiple of it.
        idle: MB resident before.
        megabytes: resident, of every second.
        after: MB resident after it.
    """

    capacity: float
    load: Load
    idle: float
    megabytes: list[float]
    after: float


class OverloadResults(msgspec.Struct, frozen=True):
    """One run of the benchmark with `--overload`."""

    before: Machine
    after: Machine
    overload: Overload

    def markdown(self) -> Iterator[str]:
        """Show it, line by line."""
        found, load = self.overload, self.overload.load
        weights = found.megabytes
        early, late = weights[: len(weights) // 4], weights[-(len(weights) // 4) :]
        yield from self.before.markdown(self.after)
        yield ""
        yield "| | |"
        yield "|---|---|"
        yield f"| highest sustained | {found.capacity:.1f} photos a second |"
        yield f"| sent | {load.asked:.1f} a second for {load.seconds:.0f} s |"
        yield f"| served | {load.served:.1f} a second, {load.served / found.capacity:.2f} of that |"
        yield f"| accepted, median / p99 | {_milliseconds(load, 'accepted')} |"
        yield f"| refused | {load.refusals} |"
        yield f"| refused, median / p99 | {_milliseconds(load, 'refused')} |"
        yield f"| neither | {load.lost}: {load.counts} |"
        yield (
            f"| MB before, most in the first and last quarter, after | {found.idle:.0f}, "
            f"{max(early, default=0):.0f}, {max(late, default=0):.0f}, {found.after:.0f} |"
        )
        yield f"| load's share of a processor | {load.cpu_seconds / load.seconds:.2f} |"
        yield f"| sent late by, p99 | {1000 * load.late:.0f} ms |"


def _milliseconds(load: Load, kind: str) -> str:
    times = load.accepted if kind == "accepted" else load.refused
    return f"{times.text()} ms" if times else "none"


def _row(service: ServiceResults) -> str:
    best, starts = service.best, service.starts
    times = best.accepted.text() if best.accepted else ""
    ready, first, idle = (spread(values) for values in (starts.ready, starts.first, starts.idle))
    return (
        f"| {service.name} | {ready.text(2)} | {first.text(2)} | {idle.text(0)} | {best.asked:.1f} "
        f"| {times} | {service.loaded:.0f}, {service.after:.0f} "
        f"| {best.cpu_seconds / best.seconds:.2f} |"
    )
