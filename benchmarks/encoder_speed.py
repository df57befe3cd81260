"""Measure how fast contenders run the encoder, and how near they come to open_clip."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack

import numpy as np
from numpy.typing import NDArray

from contenders import CONTENDERS, OPEN_CLIP, OURS
from contenders.interface import Given
from contenders.process import ContenderError, ContenderProcess
from geograph_types import Bundle
from geograph_types_export.int8.gate import compare
from geograph_types_export.verify.graphs import check_photos
from measuring.machine import this_machine
from measuring.machine_rates import MachineRates, measure_rates
from measuring.rounds import alternate
from reporting.encoder import EncoderResults, Fidelity, Speed, speeds


class _Measurement:
    """The contenders that take part, and what was found about them so far."""

    def __init__(self, given: Given, names: Sequence[str], say: Callable[[str], None]) -> None:
        """Leave out what cannot take part."""
        self.given, self.say = given, say
        self.pixels = check_photos()
        self.left_out: dict[str, str] = {}
        self.failed: dict[str, str] = {}
        self.rates: list[MachineRates] = []
        self.speeds: list[Speed] = []
        self.embeds: dict[str, NDArray[np.float32]] = {}
        for name in names:
            why = CONTENDERS[name].left_out(given)
            if why is not None:
                self.left_out[name] = f"{why.reason}: {why.detail}"
                say(f"left out: {name}: {self.left_out[name]}")
        self.names = [name for name in names if name not in self.left_out]

    def run(self, threads: int, batches: Sequence[int], rounds: int) -> None:
        """Measure all with one number of threads."""
        self.say(f"measuring what the machine can do, threads {threads}")
        rates = {batch: measure_rates(threads, batch) for batch in batches}
        self.rates += rates.values()
        with ExitStack() as stack:
            processes = {}
            for name in self.names:
                self.say(f"preparing {name}, threads {threads}")
                try:
                    process = ContenderProcess(name, self.given, threads, self.pixels)
                    processes[name] = stack.enter_context(process)
                    if name not in self.embeds:
                        self.embeds[name] = process.embed(max(batches))
                except ContenderError as error:
                    self.fail(error)
                    processes.pop(name, None)
            for batch in batches:
                self.say(f"measuring, threads {threads}, batch {batch}")
                alive = {name: process for name, process in processes.items() if name in self.names}
                times = alternate(alive, batch, rounds, self.fail)
                self.speeds += speeds(times, rates[batch])

    def fail(self, error: ContenderError) -> None:
        """Go on without a contender."""
        self.failed[error.contender] = str(error)
        self.names.remove(error.contender)
        self.say(f"error: {error}")

    def fidelity(self) -> list[Fidelity]:
        """Compare embeddings with open_clip's."""
        expected = self.embeds.get(OPEN_CLIP)
        if expected is None:
            return []
        found = []
        for name, embeds in self.embeds.items():
            figures = compare(embeds, expected, None)
            found.append(
                Fidelity(
                    contender=name,
                    photos=len(embeds),
                    cosine=figures.plain_cosine,
                    centred_cosine=figures.mean_cosine,
                    centred_cosine_low=figures.low_cosine,
                )
            )
        return found


def measure_speed(
    given: Given,
    threads: Sequence[int],
    batches: Sequence[int],
    rounds: int,
    names: Sequence[str],
    say: Callable[[str], None],
) -> EncoderResults:
    """Measure contenders in turn, in one run.

    Args:
        given: weights and bundle.
        threads: numbers of threads, one after the other.
        batches: photos in one run, each at most 32.
        rounds: turns of each contender.
        names: of contenders besides our int8 and open_clip; all if there are none.
        say: takes a line about progress.
    """
    wanted = {OURS, OPEN_CLIP, *names} if names else CONTENDERS.keys()
    measurement = _Measurement(given, [name for name in CONTENDERS if name in wanted], say)
    bundle = Bundle.open(given.bundle)
    before = this_machine()
    for count in threads:
        measurement.run(count, batches, rounds)
    return EncoderResults(
        benchmark="encoder",
        weights=bundle.manifest.encoder.weights if bundle.manifest.encoder else "none",
        bundle=bundle.label,
        rounds=rounds,
        before=before,
        after=this_machine(),
        rates=measurement.rates,
        speeds=measurement.speeds,
        fidelity=measurement.fidelity(),
        left_out=measurement.left_out,
        failed=measurement.failed,
    )
