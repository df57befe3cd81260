"""What the encoder benchmark finds, as it is written to a file and shown as tables."""

from collections.abc import Iterator
from typing import Literal

import msgspec

from contenders import OPEN_CLIP, OURS
from machine import Machine
from spread import Spread, ratio, spread

__all__ = ["EncoderResults", "Fidelity", "Speed", "markdown", "speeds"]

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
    """

    contender: str
    threads: int
    batch: int
    seconds: list[float]
    milliseconds: Spread
    of_ours: Spread | None
    of_open_clip: Spread | None


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


def speeds(times: dict[str, list[float]], threads: int, batch: int) -> list[Speed]:
    """Summarise the rounds, the fastest contender first.

    Args:
        times: seconds a photo of every round, by contender.
        threads: of one run.
        batch: photos in one run.
    """
    ours, open_clip = times.get(OURS), times.get(OPEN_CLIP)
    found = [
        Speed(
            contender=name,
            threads=threads,
            batch=batch,
            seconds=seconds,
            milliseconds=spread([1e3 * second for second in seconds]),
            of_ours=ratio(seconds, ours) if ours else None,
            of_open_clip=ratio(open_clip, seconds) if open_clip else None,
        )
        for name, seconds in times.items()
    ]
    return sorted(found, key=lambda speed: speed.milliseconds.median)


def markdown(results: EncoderResults) -> Iterator[str]:
    """Show everything, line by line."""
    yield "# Encoder"
    yield ""
    yield from _circumstances(results)
    for threads, batch in dict.fromkeys((speed.threads, speed.batch) for speed in results.speeds):
        yield ""
        yield f"## Threads {threads}, batch {batch}"
        yield ""
        yield "| contender | ms a photo (quartiles) | time / ours int8 | open_clip / its time |"
        yield "|---|---|---|---|"
        for speed in results.speeds:
            if (speed.threads, speed.batch) == (threads, batch):
                yield (
                    f"| {speed.contender} | {speed.milliseconds.text(1)} "
                    f"| {_text(speed.of_ours)} | {_text(speed.of_open_clip)} |"
                )
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


def _circumstances(results: EncoderResults) -> Iterator[str]:
    yield from results.before.markdown(results.after)
    yield f"* weights {results.weights}, bundle {results.bundle}, {results.rounds} rounds"
    yield from (f"* **noisy**: {warning}" for warning in results.warnings())
    yield from (f"* left out: {name}: {why}" for name, why in results.left_out.items())
    yield from (f"* failed: {name}: {why}" for name, why in results.failed.items())


def _text(value: Spread | None) -> str:
    return "" if value is None else value.text(2)
