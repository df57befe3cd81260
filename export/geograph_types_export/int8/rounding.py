"""Round weights to integers so that the errors of each output cancel on what is really read.

Rounding each weight to the nearest step makes errors that add up. Here the rows of the weight are
rounded one after the other, and the error of each is taken up by the rows not yet rounded, as far
as the inputs' covariance says that they can. With 7 bits this comes nearer to the exact product
than 8 bits rounded to the nearest. (Frantar et al., GPTQ, 2022; Hassibi and Stork, 1993)
"""

from typing import Final

import torch

DAMPING: Final = 0.02
"""Added to the covariance, as a share of its mean diagonal, times inputs for each row: what few
rows say of many inputs does not hold for other photos."""
PANEL: Final = 64
"""Rows that are finished before the rest of the matrix is brought up to date."""


def round_weights(
    weight: torch.Tensor, scale: torch.Tensor, limit: int, rows: torch.Tensor
) -> torch.Tensor:
    """Choose the integers.

    Args:
        weight: float32 [inputs, outputs].
        scale: float32 [outputs]; the size of a step.
        limit: the largest integer.
        rows: float32 [rows, inputs]; what the product reads. Their mean does not matter: the bias
            takes it up.

    Returns:
        Whole numbers within the limit, float32 [inputs, outputs].
    """
    upper = _inverse_factor(rows)
    left = weight.clone()
    steps = torch.empty_like(left)
    for start in range(0, len(left), PANEL):
        end = min(start + PANEL, len(left))
        errors = torch.empty(end - start, left.shape[1])
        for row in range(start, end):
            steps[row] = (left[row] / scale).round().clamp(-limit, limit)
            errors[row - start] = (left[row] - steps[row] * scale) / upper[row, row]
            left[row + 1 : end] -= upper[row, row + 1 : end, None] * errors[row - start]
        left[end:] -= upper[start:end, end:].T @ errors
    return steps


def _inverse_factor(rows: torch.Tensor) -> torch.Tensor:
    """Upper Cholesky factor of the inverse of the rows' damped covariance."""
    centred = rows - rows.mean(dim=0)
    covariance = (centred.T @ centred).double() / len(rows)
    share = DAMPING * (1 + len(covariance) / len(rows))
    damping = share * covariance.diagonal().mean().clamp(min=1e-12)
    covariance.diagonal().add_(damping)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(covariance))
    factor: torch.Tensor = torch.linalg.cholesky(inverse, upper=True)
    return factor.float()
