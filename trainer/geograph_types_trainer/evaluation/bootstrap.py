"""Bootstrap intervals of F1: how far a score would move with another draw of test rows."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geograph_types_trainer.metrics import Counts, Flags, macro_rates, micro_rates

DRAWS: Final = 1000
COVERAGE: Final = 0.95


@dataclass(frozen=True, slots=True, eq=False)
class F1Intervals:
    """Lower and upper ends of 95 % intervals."""

    classes: NDArray[np.float64]  # [2, C]
    empty_draws: NDArray[np.int64]  # [C], draws without a row of the class, whose F1 counts as 0
    micro: NDArray[np.float64]  # [2]
    macro: NDArray[np.float64]  # [2]


def bootstrap_f1(labels: Flags, tags: Flags, seed: int = 0, draws: int = DRAWS) -> F1Intervals:
    """Resample the rows with replacement, and return the percentiles 2.5 and 97.5 of F1.

    Rows with the same labels and the same tags count alike, so how often each such pattern is drawn
    is one multinomial draw: exactly the bootstrap of rows, at a cost that does not grow with them.
    """
    held, predicted = labels.astype(bool), tags.astype(bool)
    patterns, counts = np.unique(np.hstack([held, predicted]), axis=0, return_counts=True)
    held, predicted = np.hsplit(patterns, 2)
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(len(labels), counts / counts.sum(), size=draws).astype(float)
    redrawn = Counts(drawn @ (held & predicted), drawn @ predicted, drawn @ held)
    ends = [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2]
    return F1Intervals(
        np.quantile(redrawn.rates().f1, ends, axis=0),
        (redrawn.labelled == 0).sum(axis=0),
        np.quantile(micro_rates(redrawn).f1, ends),
        np.quantile(macro_rates(redrawn).f1, ends),
    )
