"""The head: an image embedding and a distance bucket in, seven logits out."""

from typing import Final, Self, cast

import numpy as np
import torch
from torch import Tensor, nn

from geograph_types.embedding import EMBEDDING_DIMENSION
from geograph_types.taxonomy import CLASSES
from geograph_types_trainer.head_weights import (
    DISTANCE_DIMENSION,
    DISTANCE_ROWS,
    HEAD_SHAPES,
    HIDDEN,
    HeadWeights,
)


class TypeHead(nn.Module):
    """Two layers over the embedding and the embedded distance, concatenated.

    Its parameters have the names and shapes of the released heads: `dist_emb.weight` (24, 16),
    `fc.0` 528 -> 256, ReLU, dropout, `fc.3` 256 -> 7.
    """

    def __init__(self, dropout: float = 0.2) -> None:
        """Draw the initial weights from torch's generator."""
        super().__init__()
        self.dist_emb = nn.Embedding(DISTANCE_ROWS, DISTANCE_DIMENSION)
        self.fc = nn.Sequential(
            nn.Linear(EMBEDDING_DIMENSION + DISTANCE_DIMENSION, HIDDEN),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(HIDDEN, len(CLASSES)),
        )

    @classmethod
    def from_weights(cls, weights: HeadWeights) -> Self:
        """Build a head in eval mode, without a calibration that the weights may have.

        Nothing is drawn from torch's generator.
        """
        # On the device "meta" the layers would import torch's compiler: seconds, and a folder.
        with torch.random.fork_rng(devices=[]):
            head = cls()
        state = {name: torch.from_numpy(np.array(weights[name])) for name in HEAD_SHAPES}
        head.load_state_dict(state, assign=True)
        return head.eval()

    def weights(self) -> HeadWeights:
        """Return a copy of the weights."""
        return {name: values.cpu().numpy().copy() for name, values in self.state_dict().items()}

    @property
    def first(self) -> nn.Linear:
        """The layer 528 -> 256, whose last 16 columns read the distance."""
        return cast(nn.Linear, self.fc[0])

    @property
    def last(self) -> nn.Linear:
        """The layer 256 -> 7."""
        return cast(nn.Linear, self.fc[3])

    def forward(self, embeddings: Tensor, buckets: Tensor) -> Tensor:
        """Compute logits [N, 7] from raw embeddings [N, 512] and int64 buckets [N], 0 to 22."""
        return self.logits_at(self.image_part(embeddings), buckets[None])[0]

    def image_part(self, embeddings: Tensor) -> Tensor:
        """Compute the embeddings' part of the hidden layer, float32 [N, 256]."""
        weight = self.first.weight[:, :EMBEDDING_DIMENSION]
        return nn.functional.linear(embeddings, weight, self.first.bias)

    def logits_at(
        self, image_part: Tensor, buckets: Tensor, factors: Tensor | None = None
    ) -> Tensor:
        """Compute logits [K, N, 7] of the same photos at several distances, buckets [K, N].

        `factors` [N, 256] scale the hidden units alike at all distances; without them, the
        module's own dropout applies.
        """
        table = self.dist_emb.weight @ self.first.weight[:, EMBEDDING_DIMENSION:].T
        hidden = self.fc[1](image_part + nn.functional.embedding(buckets, table))
        hidden = self.fc[2](hidden) if factors is None else hidden * factors
        return cast(Tensor, self.last(hidden))

    @torch.no_grad()
    def probabilities(self, embeddings: Tensor, buckets: Tensor) -> Tensor:
        """Compute probabilities [N, 7]; call it in eval mode."""
        return torch.sigmoid(self(embeddings, buckets))


BYTE_VALUES: Final = 256
BYTES_PER_WORD: Final = 8


def dropout_factors(rows: int, units: int, share: float, device: torch.device) -> Tensor:
    """Draw dropout masks, float32 [rows, units]: 0, or the factor that keeps the expected sum.

    `units` is a multiple of 8; `share`, of units left out, is rounded to 1/256.
    """
    dropped = min(round(share * BYTE_VALUES), BYTE_VALUES - 1)
    words = torch.empty((rows, units // BYTES_PER_WORD), dtype=torch.int64, device=device)
    # From the least int64 to the greatest: without these bounds the highest bit stays 0.
    words.random_(-(2**63), None)
    return (words.view(torch.uint8) >= dropped).float().mul_(BYTE_VALUES / (BYTE_VALUES - dropped))
