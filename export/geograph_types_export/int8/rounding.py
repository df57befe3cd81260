"""Round weights to integers so that the errors of each output cancel on what is really read.

Rounding each weight to the nearest step makes errors that add up. Here the rows of the weight are
rounded one after the other, and each takes up as much of the error of those before it as the
covariance of the inputs says that it can. With 7 bits this comes nearer to the exact product than 8
bits rounded to the nearest. (Frantar et al., GPTQ, 2022; in the form of Chee et al., QuIP, 2023,
section 3)
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

DAMPING: Final = 0.02
"""Added to the covariance, as a share of its mean diagonal, times inputs for each row: what few
rows say of many inputs does not hold for other photos."""
PANEL: Final = 64
"""Rows that are rounded before their errors are carried to all that follow."""


def round_weights(weight: Array, scale: Array, limit: int, rows: Array) -> Array:
    """Choose whole numbers within the limit, float32 [inputs, outputs].

    Args:
        weight: float32 [inputs, outputs].
        scale: float32 [outputs]; the size of a step.
        limit: the largest integer.
        rows: float32 [rows, inputs]; what the product reads. Their mean does not matter: the bias
            takes it up.
    """
    feedback = _feedback(rows)
    steps, errors = np.empty_like(weight), np.empty_like(weight)
    for start in range(0, len(weight), PANEL):
        panel = slice(start, start + PANEL)
        wanted = weight[panel] + feedback[:start, panel].T @ errors[:start]
        for row, target in enumerate(wanted, start):
            target += feedback[start:row, row] @ errors[start:row]
            steps[row] = np.clip(np.rint(target / scale), -limit, limit)
            errors[row] = weight[row] - steps[row] * scale
    return steps


def _feedback(rows: Array) -> Array:
    """Return how much of the error of each row every later one takes up, [inputs, inputs].

    The covariance is factored as U D U', with U upper triangular and 1 on its diagonal, which is
    Cholesky's factor read from the end: the error of the product is then a sum of squares, of which
    each row of the weight, in its turn, decides one.
    """
    centred = rows - rows.mean(axis=0)
    covariance = (centred.T @ centred).astype(np.float64) / len(rows)
    share = DAMPING * (1 + len(covariance) / len(rows))
    covariance[np.diag_indices_from(covariance)] += share * max(
        covariance.trace() / len(covariance), 1e-12
    )
    upper = np.linalg.cholesky(covariance[::-1, ::-1])[::-1, ::-1]
    return (upper / upper.diagonal()).astype(np.float32)
