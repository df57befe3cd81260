"""Decide whether a quantised encoder is near enough to float32, and which products are kept."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from geograph_types.session import Session
from geograph_types_export.errors import GateError
from geograph_types_export.graphs.builder import serialise
from geograph_types_export.graphs.encoder import encoder_graph
from geograph_types_export.graphs.tower import Tower
from geograph_types_export.int8.tower import QuantisedTower
from geograph_types_export.verify.graphs import cosines, embed

MEAN_COSINE: Final = 0.995
LOW_COSINE: Final = 0.985
FLIPPED_TAGS: Final = 0.01
LOW_PERCENTILE: Final = 1

KEPT_COUNTS: Final = (1, 2, 3, 4, 6, 8, 12, 16)
"""How many of the most sensitive products are tried in float32, in turn. With a third of them the
encoder is hardly faster than in float32 alone."""
FEW_PHOTOS: Final = 8
"""For measuring products one by one."""
BATCH: Final = 8

TagDecider: TypeAlias = Callable[[NDArray[np.float32]], NDArray[np.bool_]]
"""Embeddings [N, 512] to tags [N, 7]."""


@dataclass(frozen=True, slots=True)
class GateFigures:
    """How near one set of embeddings comes to another."""

    mean_cosine: float  # of vectors with the reference's mean taken off
    low_cosine: float  # the 1st percentile of these
    plain_cosine: float  # the worst of the vectors themselves
    difference: float  # the largest, absolute
    flipped_tags: float | None  # share of tags that differ, if there is a head

    @property
    def passes(self) -> bool:
        """Whether every figure is good enough; a NaN is not."""
        return (
            self.mean_cosine >= MEAN_COSINE
            and self.low_cosine >= LOW_COSINE
            and (self.flipped_tags is None or self.flipped_tags <= FLIPPED_TAGS)
        )

    def __str__(self) -> str:
        """Return the figures in one line."""
        tags = "no head" if self.flipped_tags is None else f"{self.flipped_tags:.2%}"
        return (
            f"centred cosine {self.mean_cosine:.4f} on average, {self.low_cosine:.4f} at the 1st "
            f"percentile, tags flipped: {tags}"
        )


@dataclass(frozen=True, slots=True)
class Accepted:
    """A quantised encoder that the gate lets pass."""

    model: bytes  # the ONNX file
    figures: GateFigures
    # Products in float32, each with what it alone would cost in mean centred cosine.
    kept: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Photos and their embeddings in float32."""

    pixels: NDArray[np.uint8]  # [N, 224, 224, 3]
    embeds: NDArray[np.float32]  # [N, 512]

    @classmethod
    def of(cls, model: bytes, pixels: NDArray[np.uint8]) -> "Sample":
        """Run an encoder over photos."""
        return cls(pixels, _embed(model, pixels))

    def first(self, count: int) -> "Sample":
        """Return the first photos."""
        return Sample(self.pixels[:count], self.embeds[:count])


def find_accepted(
    tower: QuantisedTower, fitted: Sample, held_out: Sample, tags: TagDecider | None
) -> Accepted:
    """Find the quantised encoder with the fewest products in float32 that passes.

    Args:
        tower: in both its forms.
        fitted: photos that it was calibrated on; the order in which products are kept is theirs.
        held_out: photos that it was not calibrated on, to judge it by.
        tags: of the bundle's head, if there is one.
    """
    model = _model(tower.quantised, fitted)
    figures = measure(model, held_out, tags)
    if figures.passes:
        return Accepted(model, figures)
    # The photos that judge do not choose: what passes would look better on them than it is.
    costs = _costs(tower, fitted.first(FEW_PHOTOS))
    ranked = sorted(costs, key=lambda name: -costs[name])
    for count in KEPT_COUNTS:
        kept = ranked[:count]
        model = _model(tower.keeping(kept), fitted)
        figures = measure(model, held_out, tags)
        if figures.passes:
            return Accepted(model, figures, {name: round(costs[name], 6) for name in kept})
    raise GateError(str(figures))


def _model(tower: Tower, fitted: Sample) -> bytes:
    """Build an encoder whose mean error on the calibration photos is taken off at its end."""
    embeds = _embed(serialise(encoder_graph(tower)), fitted.pixels)
    bias = tower.projection.bias + (fitted.embeds - embeds).mean(axis=0)
    projection = replace(tower.projection, bias=bias.astype(np.float32))
    return serialise(encoder_graph(replace(tower, projection=projection)))


def measure(model: bytes, sample: Sample, tags: TagDecider | None) -> GateFigures:
    """Compare an encoder's embeddings of photos with those in float32."""
    return compare(_embed(model, sample.pixels), sample.embeds, tags)


def compare(
    embeds: NDArray[np.float32], expected: NDArray[np.float32], tags: TagDecider | None
) -> GateFigures:
    """Measure how near embeddings [N, 512] come to their reference."""
    centre = expected.mean(axis=0)
    centred = cosines(embeds - centre, expected - centre)
    flipped = None if tags is None else float((tags(embeds) != tags(expected)).mean())
    return GateFigures(
        mean_cosine=float(centred.mean()),
        low_cosine=float(np.percentile(centred, LOW_PERCENTILE)),
        plain_cosine=float(cosines(embeds, expected).min()),
        difference=float(np.abs(embeds - expected).max()),
        flipped_tags=flipped,
    )


def _costs(tower: QuantisedTower, sample: Sample) -> dict[str, float]:
    """Measure what each product alone costs in mean centred cosine when all others are in float32.

    The other way round, the errors of the rest would hide that of a product.
    """

    def cosine(kept: Collection[str]) -> float:
        embeds = _embed(serialise(encoder_graph(tower.keeping(kept))), sample.pixels)
        # Its own mean is taken off, since the mean error of an accepted encoder is too.
        exact = sample.embeds - sample.embeds.mean(axis=0)
        return float(cosines(embeds - embeds.mean(axis=0), exact).mean())

    products = set(tower.products)
    best = cosine(products)
    return {name: best - cosine(products - {name}) for name in tower.products}


def _embed(model: bytes, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    return embed(Session(model, "cpu"), pixels, BATCH)
