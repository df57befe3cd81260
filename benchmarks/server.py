"""How `geograph-types serve` does beside a plain service around open_clip, in one alternating run.

    python benchmarks/server.py [--bundle DIR] [--rounds 5] [--seconds 12] [--json FILE]
    python benchmarks/server.py --overload 300

Ours serves int8; `service/open_clip_service.py` is the other. Measured are, over loopback:

* seconds from the start of the process until it is ready, and resident memory after one photo;
* the highest rate of 640 px photos that is sustained: requests come at constant intervals, 99 % are
  answered with 200, and latency does not grow; found by bisection, one step of each in turn;
* what 8 clients that wait for their answers get from ours, beside the same photos in process;
* with `--overload SECONDS`, instead of all that, ours at four times its capacity.

The load comes from a process that shares the processors with the service; its own share of a
processor is reported. It falls on ours more, which serves more photos.
"""

import random
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from contenders.interface import Given
from measuring.command_line import (
    bundle_option,
    errors_as_lines,
    json_option,
    report,
    say,
    weights_option,
    work_option,
)
from measuring.machine import this_machine
from measuring.memory import run_watched
from measuring.spread import ratio
from measuring.workspace import make_workspace
from service.results import Overload, OverloadResults, ServerResults, ServiceResults, Starts
from service.running import Running, started, write_requests
from service.sustained import search_together
from tagging import SIZES, list_photos, make_photos

HERE: Final = Path(__file__).parent
OURS: Final = "ours, int8"
OTHER: Final = "open_clip, torch"
CLIENTS: Final = 8
CLIENT_ROUNDS: Final = 3
LIBRARY_PHOTOS: Final = 800
OVERLOAD_TIMES: Final = 4


@dataclass(frozen=True, slots=True)
class Bench:
    """What all measurements start from.

    Attributes:
        given: weights and bundle.
        photos: of 640 px.
        requests: that embed them.
        steps: of the search for the highest rate.
        seconds: of each load.
    """

    given: Given
    photos: list[Path]
    requests: Path
    steps: int
    seconds: float

    def start(self, stack: ExitStack, name: str) -> Running:
        """Start a service that ends with the stack."""
        commands: dict[str, Callable[[int], Sequence[str]]] = {
            OURS: self._ours,
            OTHER: self._other,
        }
        ready = {OURS: "/ready", OTHER: "/health"}
        return stack.enter_context(started(name, commands[name], ready[name], self.photos[0]))

    def _ours(self, port: int) -> list[str]:
        bundle = str(self.given.bundle)
        serve = [sys.executable, "-m", "geograph_types.cli", "serve"]
        return [*serve, "--bundle", bundle, "--port", str(port)]

    def _other(self, port: int) -> list[str]:
        script = HERE / "service" / "open_clip_service.py"
        return [sys.executable, str(script), str(self.given.weights), str(port)]


def measure(bench: Bench, rounds: int) -> ServerResults:
    """Measure all but overload.

    Raises:
        BackendError: a service or a load fails.
    """
    before = this_machine()
    starts = measure_starts(bench, rounds)
    with ExitStack() as stack:
        ours = bench.start(stack, OURS)
        with ExitStack() as others:
            services = {OURS: ours, OTHER: bench.start(others, OTHER)}
            say("searching for the highest sustained rates")
            searches = search_together(services, bench.requests, bench.steps, bench.seconds)
            after = {name: service.weigh() for name, service in services.items()}
        clients, library = [], []
        for number in range(CLIENT_ROUNDS):
            say(f"{CLIENTS} clients, round {number + 1} of {CLIENT_ROUNDS}")
            clients.append(ours.load(bench.requests, bench.seconds, clients=CLIENTS)[0])
            library.append(library_rate(bench))
        after[OURS] = ours.weigh()
    results = {
        name: ServiceResults(
            name,
            starts[name],
            tried=search.tried,
            best=search.best,
            loaded=search.megabytes,
            after=after[name],
        )
        for name, search in searches.items()
    }
    return ServerResults(
        before=before,
        after=this_machine(),
        services=list(results.values()),
        sooner=ratio(starts[OTHER].ready, starts[OURS].ready),
        faster=results[OURS].best.asked / results[OTHER].best.asked,
        clients=clients,
        library=library,
        of_library=ratio([load.served for load in clients], library),
    )


def measure_starts(bench: Bench, rounds: int) -> dict[str, Starts]:
    """Start each service once a round, in a new order, after one round that is not counted."""
    found = {name: Starts([], [], []) for name in (OURS, OTHER)}
    shuffled = random.Random(0)
    for number in range(rounds + 1):
        say(f"starting, round {number} of {rounds}")
        order = list(found)
        shuffled.shuffle(order)
        for name in order:
            with ExitStack() as stack:
                service = bench.start(stack, name)
                if number:
                    found[name].ready.append(service.ready)
                    found[name].first.append(service.first)
                    found[name].idle.append(service.megabytes)
    return found


def library_rate(bench: Bench) -> float:
    """Give photos a second from files to tags in process, models loaded and warm."""
    listed = list_photos(bench.photos, LIBRARY_PHOTOS, bench.given.work)
    script = str(HERE / "whole_way" / "ours.py")
    printed, _ = run_watched([sys.executable, script, str(bench.given.bundle), str(listed)])
    return LIBRARY_PHOTOS / float(printed)


def measure_overload(bench: Bench, seconds: float) -> OverloadResults:
    """Find our capacity, then send four times as much.

    Raises:
        BackendError: the service or a load fails.
    """
    before = this_machine()
    with ExitStack() as stack:
        ours = bench.start(stack, OURS)
        say("searching for the highest sustained rate")
        services = {OURS: ours}
        search = search_together(services, bench.requests, bench.steps, bench.seconds)[OURS]
        capacity = search.best.asked
        idle = ours.weigh()
        rate = OVERLOAD_TIMES * capacity
        say(f"{rate:.0f} photos a second for {seconds:.0f} s")
        load, weights = ours.load(bench.requests, seconds, rate=rate)
        overload = Overload(capacity, load, idle, weights, ours.weigh())
    return OverloadResults(before, this_machine(), overload)


@click.command(epilog="Example: python benchmarks/server.py --json server.json")
@weights_option
@bundle_option
@work_option
@click.option(
    "--rounds",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="How often each service is started.",
)
@click.option(
    "--steps",
    type=click.IntRange(min=2),
    default=6,
    show_default=True,
    help="Rates that are tried in the search for the highest.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=3),
    default=12.0,
    show_default=True,
    help="Length of each load.",
)
@click.option(
    "--overload",
    type=click.FloatRange(min=10),
    help="Measure so many seconds of overload, and nothing else.",
)
@json_option
def main(
    weights: str,
    bundle: Path | None,
    work: Path,
    rounds: int,
    steps: int,
    seconds: float,
    overload: float | None,
    out: Path | None,
) -> None:
    """Measure and print a table."""
    with errors_as_lines():
        given = make_workspace(weights, bundle, work, say)
        photos = make_photos(given.work / "640-px", SIZES["640 px"])
        requests = write_requests(photos, given.work / "requests.msgpack")
        bench = Bench(given, photos, requests, steps, seconds)
        results = measure(bench, rounds) if overload is None else measure_overload(bench, overload)
    report(results.markdown(), results, out)


if __name__ == "__main__":
    main()
