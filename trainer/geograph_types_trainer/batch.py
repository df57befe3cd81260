"""The rows of one training step, and their loss."""

from dataclasses import dataclass

from torch import Tensor, nn

__all__ = ["Batch"]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Rows as the head reads them.

    Attributes:
        inputs: float32 [B, 512].
        labels: float32 [B, 7].
        weights: float32 [B].
        shares: float32 [K], of the views in the loss.
        buckets: int64 [K, B].
    """

    inputs: Tensor
    labels: Tensor
    weights: Tensor
    shares: Tensor
    buckets: Tensor

    def losses(self, logits: Tensor, positive_weights: Tensor | None = None) -> Tensor:
        """Compute each row's loss: its weight times its mean binary cross-entropy.

        Args:
            logits: float32 [K, B, 7].
            positive_weights: float32 [7], of the labels that hold; none counts all alike.

        Returns:
            float32 [B].
        """
        each = nn.functional.binary_cross_entropy_with_logits(
            logits, self.labels.expand_as(logits), pos_weight=positive_weights, reduction="none"
        )
        return self.shares @ each.mean(dim=2) * self.weights
