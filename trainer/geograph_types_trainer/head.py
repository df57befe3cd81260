"""The head: an image embedding and a distance bucket in, seven logits out."""

from typing import Final, cast

import torch
from torch import Tensor, nn

from geograph_types.embedding import EMBEDDING_DIMENSION
from geograph_types.taxonomy import CLASSES

DISTANCE_ROWS: Final = 24
"""Rows of the released distance table, of which the 23 buckets use all but the last."""

DISTANCE_DIMENSION: Final = 16
HIDDEN: Final = 256


class TypeHead(nn.Module):
    """Two layers over the embedding and the embedded distance, side by side.

    The names and shapes of its parameters are those of the released heads: `dist_emb.weight`
    (24, 16), `fc.0` 528 -> 256, ReLU, dropout, `fc.3` 256 -> 7.
    """

    def __init__(self, dropout: float = 0.2) -> None:
        """Draw weights from torch's generator.

        Args:
            dropout: share of hidden units left out in training.
        """
        super().__init__()
        self.dist_emb = nn.Embedding(DISTANCE_ROWS, DISTANCE_DIMENSION)
        self.fc = nn.Sequential(
            nn.Linear(EMBEDDING_DIMENSION + DISTANCE_DIMENSION, HIDDEN),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(HIDDEN, len(CLASSES)),
        )

    @property
    def first(self) -> nn.Linear:
        """The layer 528 -> 256, whose last 16 columns read the distance."""
        return cast(nn.Linear, self.fc[0])

    @property
    def last(self) -> nn.Linear:
        """The layer 256 -> 7."""
        return cast(nn.Linear, self.fc[3])

    def forward(self, embeddings: Tensor, buckets: Tensor) -> Tensor:
        """Predict.

        Args:
            embeddings: float32 [N, 512], raw.
            buckets: int64 [N], 0 to 22.

        Returns:
            Logits, float32 [N, 7].
        """
        return self.logits_at(self.image_part(embeddings), buckets[None])[0]

    def image_part(self, embeddings: Tensor) -> Tensor:
        """Compute the picture's part of the hidden layer, float32 [N, 256]."""
        weight = self.first.weight[:, :EMBEDDING_DIMENSION]
        return nn.functional.linear(embeddings, weight, self.first.bias)

    def logits_at(self, seen: Tensor, views: Tensor, kept: Tensor | None = None) -> Tensor:
        """Judge the same pictures at several distances, for little more than the price of one.

        Args:
            seen: float32 [N, 256], from `look`.
            views: int64 [K, N], distance buckets.
            kept: float32 [N, 256], factors of the hidden units, the same at all distances of a
                picture; without them, dropout is the module's own.

        Returns:
            Logits, float32 [K, N, 7].
        """
        table = self.dist_emb.weight @ self.first.weight[:, EMBEDDING_DIMENSION:].T
        hidden = self.fc[1](seen + nn.functional.embedding(views, table))
        hidden = self.fc[2](hidden) if kept is None else hidden * kept
        return cast(Tensor, self.last(hidden))

    @torch.no_grad()
    def probabilities(self, embeddings: Tensor, buckets: Tensor) -> Tensor:
        """Predict probabilities, float32 [N, 7]; use it in eval mode."""
        return torch.sigmoid(self(embeddings, buckets))


BYTE_VALUES: Final = 256
BYTES_A_WORD: Final = 8


def dropout_factors(rows: int, units: int, share: float, device: torch.device) -> Tensor:
    """Draw which units are left out, with torch's generator.

    Args:
        rows: N.
        units: K, a multiple of 8.
        share: of units left out, below 1; taken to the nearest 1/256.
        device: to draw on.

    Returns:
        float32 [N, K]: 0 for a unit left out, else the factor that keeps the expected sum.
    """
    dropped = min(round(share * BYTE_VALUES), BYTE_VALUES - 1)
    words = torch.empty((rows, units // BYTES_A_WORD), dtype=torch.int64, device=device)
    # From the least int64 to the greatest: without these bounds the highest bit stays 0.
    words.random_(-(2**63), None)
    return (words.view(torch.uint8) >= dropped).float().mul_(BYTE_VALUES / (BYTE_VALUES - dropped))
