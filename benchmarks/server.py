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
    count_option,
    errors_as_lines,
    json_option,
    say,
    weights_option,
    work_option,
)
from measuring.memory import run_watched
from measuring.rounds import turns
from measuring.workspace import make_workspace
from reporting.figures import Results, report
from service.running import Running, started, write_requests
from service.sustained import Search, search_together
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
    """What all measurements start from."""

    given: Given
    photos: list[Path]  # of 640 px
    requests: Path  # that embed them
    steps: int  # of the search for the highest rate
    seconds: float  # of each load

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


def measure(results: Results, bench: Bench, rounds: int) -> None:
    """Measure all but overload."""
    measure_starts(results, bench, rounds)
    with ExitStack() as stack:
        ours = bench.start(stack, OURS)
        with ExitStack() as others:
            services = {OURS: ours, OTHER: bench.start(others, OTHER)}
            say("searching for the highest sustained rates")
            searches = search_together(services, bench.requests, bench.steps, bench.seconds)
            for name, search in searches.items():
                add_search(results, name, search, services[name].weigh())
        loads: dict[str, list[float]] = {"ours, 8 clients": [], "ours, in process": []}
        for number in range(CLIENT_ROUNDS):
            say(f"{CLIENTS} clients, round {number + 1} of {CLIENT_ROUNDS}")
            load, _ = ours.load(bench.requests, bench.seconds, clients=CLIENTS)
            loads["ours, 8 clients"].append(load.served)
            loads["ours, in process"].append(library_rate(bench))
    for name, served in loads.items():
        results.add("clients that wait", name, "photos per second", served, more_is_better=True)


def add_search(results: Results, name: str, search: Search, megabytes: float) -> None:
    """Add the highest rate that a service sustained, and what it took."""
    best = search.best
    unit = "photos per second"
    results.add("highest sustained rate", name, unit, [best.asked], more_is_better=True)
    if best.accepted is not None:
        results.add("median latency at that rate", name, "ms", [1000 * best.accepted.median])
        results.notes.append(f"{name}: median / p99 at that rate {best.accepted.text()} ms")
    results.notes.append(
        f"{name}: {search.megabytes:.0f} MB at most under load, {megabytes:.0f} after it; the load "
        f"took {best.cpu_seconds / best.seconds:.2f} of a processor"
    )


def measure_starts(results: Results, bench: Bench, rounds: int) -> None:
    """Start each service once a round, in a new order, after one round that is not counted."""
    found: dict[str, list[Running]] = {name: [] for name in (OURS, OTHER)}
    for number, name in turns(found, rounds + 1):
        say(f"starting, round {number} of {rounds}")
        with ExitStack() as stack:
            service = bench.start(stack, name)
            if number:
                found[name].append(service)
    for name, services in found.items():
        results.add("until ready", name, "s", [one.ready for one in services])
        results.add("until the first photo", name, "s", [one.first for one in services])
        results.add("memory after a photo", name, "MB", [one.megabytes for one in services])


def library_rate(bench: Bench) -> float:
    """Return photos per second from files to tags in process, models loaded and warm."""
    listed = list_photos(bench.photos, LIBRARY_PHOTOS, bench.given.work)
    script = str(HERE / "whole_way" / "ours.py")
    printed, _ = run_watched([sys.executable, script, str(bench.given.bundle), str(listed)])
    return LIBRARY_PHOTOS / float(printed)


def measure_overload(results: Results, bench: Bench, seconds: float) -> None:
    """Find our capacity, then send four times as much."""
    with ExitStack() as stack:
        ours = bench.start(stack, OURS)
        say("searching for the highest sustained rate")
        services = {OURS: ours}
        search = search_together(services, bench.requests, bench.steps, bench.seconds)[OURS]
        capacity, idle = search.best.asked, ours.weigh()
        rate = OVERLOAD_TIMES * capacity
        say(f"{rate:.0f} photos per second for {seconds:.0f} s")
        load, megabytes = ours.load(bench.requests, seconds, rate=rate)
        after = ours.weigh()
    quarter = len(megabytes) // 4
    early, late = megabytes[:quarter], megabytes[-quarter:]
    for name, served in (("highest sustained", capacity), ("served in overload", load.served)):
        results.add("overload", f"ours, {name}", "photos per second", [served], more_is_better=True)
    for kind, times in (("accepted", load.accepted), ("refused", load.refused)):
        milliseconds = f"{times.text()} ms" if times else "none"
        results.notes.append(f"{kind}, median / p99: {milliseconds}")
    results.notes += [
        f"sent {load.asked:.1f} per second for {load.seconds:.0f} s, "
        f"99 % less than {1000 * load.late:.0f} ms late",
        f"{load.refusals} refused; neither served nor refused {load.lost}: {load.counts}",
        f"MB before {idle:.0f}, most in the first quarter {max(early, default=0):.0f} and in the "
        f"last {max(late, default=0):.0f}, after {after:.0f}",
        f"the load took {load.cpu_seconds / load.seconds:.2f} of a processor",
    ]


@click.command(epilog="Example: python benchmarks/server.py --json server.json")
@weights_option
@bundle_option
@work_option
@count_option("--rounds", 5, "How often each service is started.")
@count_option("--steps", 6, "Rates that are tried in the search for the highest.", least=2)
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
    """Measure and print tables."""
    with errors_as_lines():
        given = make_workspace(weights, bundle, work, say)
        photos = make_photos(given.work / "640-px", SIZES["640 px"])
        requests = write_requests(photos, given.work / "requests.msgpack")
        bench = Bench(given, photos, requests, steps, seconds)
        results = Results()
        if overload is None:
            measure(results, bench, rounds)
        else:
            measure_overload(results, bench, overload)
    report(results, out)


if __name__ == "__main__":
    main()
