"""How well a head does on the validation split while it is trained."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Scores", "f1_scores"]

THRESHOLD: Final = 0.5


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of one epoch.

    Attributes:
        loss: sample-weighted mean BCE over the policy's views of the distance.
        micro_f1: at 0.5, with the distance as recorded.
        macro_f1: at 0.5, with the distance as recorded.
        class_f1: of each class at 0.5, with the distance as recorded.
    """

    loss: float
    micro_f1: float
    macro_f1: float
    class_f1: tuple[float, ...]


def f1_scores(
    labels: NDArray[np.bool_], predicted: NDArray[np.bool_]
) -> tuple[float, float, tuple[float, ...]]:
    """Compute F1 over all decisions, its mean over the classes, and that of each class.

    Args:
        labels: bool [N, 7].
        predicted: bool [N, 7].

    Returns:
        Micro-F1, macro-F1 and that of each class; a class neither there nor predicted scores 0.
    """
    hits = (labels & predicted).sum(axis=0)
    named = labels.sum(axis=0) + predicted.sum(axis=0)
    classes = 2.0 * hits / np.maximum(named, 1)
    micro = 2.0 * hits.sum() / max(int(named.sum()), 1)
    return float(micro), float(classes.mean()), tuple(classes.tolist())
