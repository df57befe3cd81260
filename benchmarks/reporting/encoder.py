"""What the encoder benchmark finds, as it is written to a file and shown as tables."""

import statistics
from collections.abc import Iterator
from typing import Literal

import msgspec

from contenders import CONTENDERS, OPEN_CLIP, OURS
from floor import floor_milliseconds
from measuring.machine import Machine
from measuring.machine_rates import MachineRates
from measuring.spread import Spread, ratio, spread

SPREAD_LIMIT = 0.1
"""Distance between the quartiles, as a share of the median, from which a figure is noisy."""


class Speed(msgspec.Struct, frozen=True):
    """How fast one contender is.

    Attributes:
        contender: its name.
        threads: of one run.
        batch: photos in one run.
        seconds: a photo, of every round.
        milliseconds: a photo, over the rounds.
        of_ours: its time as a multiple of our int8's in the same round.
        of_open_clip: open_clip's time in the same round as a multiple of its own.
        of_floor: the least time that its precision can take here, as a share of the median; `None`
            where the machine's rate in that precision is not known.
    """

    contender: str
    threads: int
    batch: int
    seconds: list[float]
    milliseconds: Spread
    of_ours: Spread | None
    of_open_clip: Spread | None
    of_floor: float | None


class Fidelity(msgspec.Struct, frozen=True):
    """How near a contender's embeddings come to open_clip's in torch in float32.

    Attributes:
        contender: its name.
        photos: on how many drawn scenes.
        cosine: the worst.
        centred_cosine: mean, with open_clip's mean embedding taken off.
        centred_cosine_low: its 1st percentile.
    """

    contender: str
    photos: int
    cosine: float
    centred_cosine: float
    centred_cosine_low: float


class EncoderResults(msgspec.Struct, frozen=True):
    """One run of the benchmark.

    Attributes:
        benchmark: "encoder".
        weights: their name; a stand-in has no meaning but the right speed.
        bundle: name and version.
        rounds: that every contender took part in.
        before: the machine before measuring.
        after: the machine after measuring; its load is our own as well.
        rates: of the machine, from which the floor follows, by threads and batch.
        speeds: by threads, batch and contender.
        fidelity: by contender.
        left_out: why, by contender.
        failed: what happened, by contender.
    """

    benchmark: Literal["encoder"]
    weights: str
    bundle: str
    rounds: int
    before: Machine
    after: Machine
    rates: list[MachineRates]
    speeds: list[Speed]
    fidelity: list[Fidelity]
    left_out: dict[str, str]
    failed: dict[str, str]

    def warnings(self) -> Iterator[str]:
        """Say which figures are doubtful because their rounds differ."""
        noisy = [speed for speed in self.speeds if speed.milliseconds.share > SPREAD_LIMIT]
        if noisy:
            worst = max(noisy, key=lambda speed: speed.milliseconds.share)
            yield (
                f"{len(noisy)} of {len(self.speeds)} figures have quartiles more than "
                f"{SPREAD_LIMIT:.0%} apart, {worst.contender} with {worst.threads} threads at "
                f"batch {worst.batch} {worst.milliseconds.share:.0%}"
            )


def speeds(times: dict[str, list[float]], rates: MachineRates) -> list[Speed]:
    """Summarise the rounds, the fastest contender first.

    Args:
        times: seconds a photo of every round, by contender.
        rates: of the machine, with the same threads and batch.
    """
    ours, open_clip = times.get(OURS), times.get(OPEN_CLIP)
    found = [
        Speed(
            contender=name,
            threads=rates.threads,
            batch=rates.batch,
            seconds=seconds,
            milliseconds=spread([1e3 * second for second in seconds]),
            of_ours=ratio(seconds, ours) if ours else None,
            of_open_clip=ratio(open_clip, seconds) if open_clip else None,
            of_floor=_of_floor(name, seconds, rates),
        )
        for name, seconds in times.items()
    ]
    return sorted(found, key=lambda speed: speed.milliseconds.median)


def _of_floor(name: str, seconds: list[float], rates: MachineRates) -> float | None:
    floor = floor_milliseconds(rates, CONTENDERS[name].PRECISION)
    return None if floor is None else floor / (1e3 * statistics.median(seconds))


def markdown(results: EncoderResults) -> Iterator[str]:
    """Show everything, line by line."""
    yield "# Encoder"
    yield ""
    yield from _circumstances(results)
    for rates in results.rates:
        yield ""
        yield f"## Threads {rates.threads}, batch {rates.batch}"
        yield ""
        yield from _speed_table(results.speeds, rates)
    yield ""
    yield "## Fidelity to open_clip in torch, float32"
    yield ""
    yield "| contender | photos | worst cosine | centred cosine, mean | 1st percentile |"
    yield "|---|---|---|---|---|"
    for row in results.fidelity:
        yield (
            f"| {row.contender} | {row.photos} | {row.cosine:.5f} | {row.centred_cosine:.5f} "
            f"| {row.centred_cosine_low:.5f} |"
        )


def _speed_table(found: list[Speed], rates: MachineRates) -> Iterator[str]:
    yield (
        "| contender | ms a photo (quartiles) | time / ours int8 | open_clip / its time "
        "| of the floor |"
    )
    yield "|---|---|---|---|---|"
    for speed in found:
        if (speed.threads, speed.batch) == (rates.threads, rates.batch):
            share = "" if speed.of_floor is None else f"{speed.of_floor:.0%}"
            yield (
                f"| {speed.contender} | {speed.milliseconds.text(1)} "
                f"| {_text(speed.of_ours)} | {_text(speed.of_open_clip)} | {share} |"
            )
    yield ""
    floors = ", ".join(
        f"{precision} {floor_milliseconds(rates, precision):.1f} ms a photo at "
        f"{rate / 1e9:.0f} billion steps a second"
        for precision, rate in rates.products.items()
    )
    yield f"The floor: {floors}; memory is copied at {rates.copied / 1e9:.0f} GB/s."


def _circumstances(results: EncoderResults) -> Iterator[str]:
    yield from results.before.markdown(results.after)
    yield f"* weights {results.weights}, bundle {results.bundle}, {results.rounds} rounds"
    yield from (f"* **noisy**: {warning}" for warning in results.warnings())
    yield from (f"* left out: {name}: {why}" for name, why in results.left_out.items())
    yield from (f"* failed: {name}: {why}" for name, why in results.failed.items())


def _text(value: Spread | None) -> str:
    return "" if value is None else value.text(2)
