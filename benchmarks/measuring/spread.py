"""Medians with quartiles, and ratios pair by pair."""

from collections.abc import Sequence

import msgspec
import numpy as np


class Spread(msgspec.Struct, frozen=True):
    """The middle of some measurements, and how far apart they lie.

    Attributes:
        low: first quartile.
        median: second.
        high: third.
    """

    low: float
    median: float
    high: float

    @property
    def share(self) -> float:
        """Distance between the quartiles as a share of the median."""
        return (self.high - self.low) / self.median

    def text(self, digits: int) -> str:
        """Give the median, and the quartiles in brackets."""
        return f"{self.median:.{digits}f} ({self.low:.{digits}f}-{self.high:.{digits}f})"


def spread(values: Sequence[float]) -> Spread:
    """Summarise at least one measurement."""
    low, median, high = np.percentile(values, (25, 50, 75)).tolist()
    return Spread(low, median, high)


def ratio(values: Sequence[float], others: Sequence[float]) -> Spread:
    """Summarise the ratios of measurements that were made next to each other."""
    return spread([value / other for value, other in zip(values, others, strict=True)])
