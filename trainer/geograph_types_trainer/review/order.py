"""In which order rows are worth a look, and which of their tags to ask about.

Probabilities and labels are [N, 7]; so are doubts, from 0 (no question) to 1.
"""

from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from geograph_types_trainer.metrics import Flags, Floats, Values

Purpose: TypeAlias = Literal["errors", "learning"]

ASKED_FROM: Final = 0.5
"""Doubt from which a tag is asked about, beside the most doubtful one of its row."""


def errors_first(labels: Flags, probabilities: Floats) -> tuple[Values, Values]:
    """Return how likely each row's given labels are wrong, [N], and the doubt of each.

    It is one less the normalised margin of the given labels: how far the least probable of them
    lies above the most probable of the others. Source: Northcutt et al., "Confident Learning",
    2021, whose margin has one label a row; with several, the worst of each side decides.
    """
    held = labels > 0
    lowest = np.where(held, probabilities, 1.0).min(axis=1)
    highest = np.where(held, 0.0, probabilities).max(axis=1)
    doubts = np.where(held, 1.0 - probabilities, probabilities)
    return (1.0 - lowest + highest) / 2.0, doubts


def lessons_first(probabilities: Floats) -> tuple[Values, Values]:
    """Return how much a row's labels would teach, [N], and the doubt of each.

    A row teaches what the head does not know: the entropy of each class, as a share of the class's
    mean over all rows, so that a rare class counts as much as a common one. Source: Settles,
    "Active Learning Literature Survey", 2009, section 3.1; the shares are ours.
    """
    inner = np.clip(probabilities.astype(np.float64), 1e-9, 1 - 1e-9)
    entropy = -inner * np.log2(inner) - (1 - inner) * np.log2(1 - inner)
    shares = entropy / np.maximum(entropy.mean(axis=0), 1e-9)
    return shares.sum(axis=1), entropy


def questions(doubts: Values) -> NDArray[np.bool_]:
    """Choose the classes to ask about, [N, 7]: the most doubtful of each row, and all doubtful."""
    asked = doubts >= ASKED_FROM
    asked[np.arange(len(doubts)), doubts.argmax(axis=1)] = True
    return asked
