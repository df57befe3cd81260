"""Measure how fast contenders run the encoder, and how near they come to open_clip."""

import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import numpy as np
from numpy.typing import NDArray

from contenders import CONTENDERS, OPEN_CLIP, OURS
from contenders.interface import Given
from contenders.process import ContenderError, ContenderProcess
from floor import floor_milliseconds
from geograph_types import Bundle
from geograph_types_export.int8.gate import compare
from geograph_types_export.verify.graphs import check_photos
from measuring.machine_rates import measure_rates
from measuring.rounds import turns
from reporting.figures import Results

RUNS = 3
"""Runs in a turn; the turn counts as their median."""
PAUSE_SECONDS = 0.05
"""Between turns: threads of the last contender may spin for a moment after its last run."""


class _Measurement:
    """The contenders that take part, and what was found about them so far."""

    def __init__(self, given: Given, names: Sequence[str], say: Callable[[str], None]) -> None:
        """Leave out what cannot take part."""
        self.given, self.say = given, say
        self.results = Results()
        self.pixels = check_photos()
        self.embeds: dict[str, NDArray[np.float32]] = {}
        self.names = []
        for name in names:
            why = CONTENDERS[name].left_out(given)
            if why is None:
                self.names.append(name)
            else:
                self.results.leave_out(name, why)
                say(self.results.notes[-1])

    def run(self, threads: int, batches: Sequence[int], rounds: int) -> None:
        """Measure all with one number of threads."""
        with ExitStack() as stack:
            processes = {}
            for name in list(self.names):
                self.say(f"preparing {name}, threads {threads}")
                try:
                    process = ContenderProcess(name, self.given, threads, self.pixels)
                    processes[name] = stack.enter_context(process)
                    if name not in self.embeds:
                        self.embeds[name] = process.embed(max(batches))
                except ContenderError as error:
                    self.fail(error)
            for batch in batches:
                self.say(f"measuring, threads {threads}, batch {batch}")
                group = f"batch {batch}, threads {threads}"
                for name, seconds in self._alternate(processes, batch, rounds).items():
                    milliseconds = [1000 * one for one in seconds]
                    self.results.add(group, name, "ms a photo", milliseconds)
                self._add_floor(group, threads, batch)

    def _alternate(
        self, processes: dict[str, ContenderProcess], batch: int, rounds: int
    ) -> dict[str, list[float]]:
        """Return the seconds a photo of every round; contenders that fail are left out."""
        times: dict[str, list[float]] = {name: [] for name in processes if name in self.names}
        for _, name in turns(list(times), rounds):
            if name in times:
                try:
                    seconds = processes[name].time(batch, RUNS)
                except ContenderError as error:
                    self.fail(error)
                    del times[name]
                    continue
                times[name].append(statistics.median(seconds) / batch)
                time.sleep(PAUSE_SECONDS)
        return times

    def _add_floor(self, group: str, threads: int, batch: int) -> None:
        """Add the least time in each precision, which the machine's rates allow."""
        rates = measure_rates(threads, batch)
        for precision in rates.products:
            floor = floor_milliseconds(rates, precision)
            if floor is not None:
                self.results.add(group, f"the floor, {precision}", "ms a photo", [floor])

    def fail(self, error: ContenderError) -> None:
        """Go on without a contender."""
        self.results.fail(error.contender, str(error))
        self.names.remove(error.contender)
        self.say(f"error: {error}")

    def add_fidelity(self) -> None:
        """Note how near all come to open_clip's embeddings in torch in float32."""
        expected = self.embeds.get(OPEN_CLIP)
        for name, embeds in self.embeds.items():
            if expected is not None and name != OPEN_CLIP:
                found = compare(embeds, expected, None)
                self.results.notes.append(
                    f"{name}: cosine with open_clip at least {found.plain_cosine:.5f}; centred "
                    f"{found.mean_cosine:.5f}, 1st percentile {found.low_cosine:.5f} "
                    f"({len(embeds)} photos)"
                )


def measure_speed(
    given: Given,
    threads: Sequence[int],
    batches: Sequence[int],
    rounds: int,
    names: Sequence[str],
    say: Callable[[str], None],
) -> Results:
    """Measure contenders in turn: our int8, open_clip and `names`, or all if there are none."""
    wanted = {OURS, OPEN_CLIP, *names} if names else CONTENDERS.keys()
    measurement = _Measurement(given, [name for name in CONTENDERS if name in wanted], say)
    bundle = Bundle.open(given.bundle)
    weights = bundle.manifest.encoder.weights if bundle.manifest.encoder else "none"
    measurement.results.notes.append(f"weights {weights}, bundle {bundle.label}, {rounds} rounds")
    for count in threads:
        measurement.run(count, batches, rounds)
    measurement.add_fidelity()
    return measurement.results
