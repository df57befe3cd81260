"""Medians with quartiles, and ratios pair by pair."""

from collections.abc import Sequence

import msgspec
import numpy as np


class Spread(msgspec.Struct, frozen=True):
    """The quartiles of some measurements."""

    low: float
    median: float
    high: float

    @property
    def share(self) -> float:
        """Distance between the outer quartiles as a share of the median."""
        return (self.high - self.low) / self.median

    def text(self) -> str:
        """Return the median, and the quartiles in brackets if there are several measurements."""
        digits = 0 if self.median >= 100 else 1 if self.median >= 10 else 2
        middle = f"{self.median:,.{digits}f}"
        if self.low == self.high:
            return middle
        return f"{middle} ({self.low:,.{digits}f}-{self.high:,.{digits}f})"


def spread(values: Sequence[float]) -> Spread:
    """Summarise at least one measurement."""
    low, median, high = np.percentile(values, (25, 50, 75)).tolist()
    return Spread(low, median, high)


def ratio(values: Sequence[float], others: Sequence[float]) -> Spread:
    """Summarise the ratios of measurements that were made next to each other."""
    return spread([value / other for value, other in zip(values, others, strict=True)])
