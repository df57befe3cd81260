"""Standardised embeddings for training, folded into the head that is saved."""

import copy
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geograph_types.embedding import EMBEDDING_DIMENSION
from geograph_types_trainer.head import TypeHead

CHUNK_ROWS: Final = 2048
SMALLEST_SPREAD: Final = 1e-3
"""Smallest standard deviation that is divided by: a constant dimension does no harm."""


@dataclass(frozen=True, slots=True, eq=False)
class Standardisation:
    """Mean and scale of each embedding dimension, float32 [512]."""

    mean: Tensor
    scale: Tensor  # one over the standard deviation

    @classmethod
    def of(cls, embeddings: NDArray[np.floating], rows: NDArray[np.int64]) -> "Standardisation":
        """Measure some rows of embeddings [N, 512], a chunk at a time."""
        total = np.zeros(EMBEDDING_DIMENSION)
        squares = np.zeros(EMBEDDING_DIMENSION)
        shift = embeddings[rows[0]].astype(np.float64)
        for start in range(0, len(rows), CHUNK_ROWS):
            chunk = embeddings[rows[start : start + CHUNK_ROWS]].astype(np.float64) - shift
            total += chunk.sum(axis=0)
            squares += np.einsum("ij,ij->j", chunk, chunk)
        mean = total / len(rows)
        variance = np.maximum(squares / len(rows) - mean**2, SMALLEST_SPREAD**2)
        return cls(
            torch.from_numpy((mean + shift).astype(np.float32)),
            torch.from_numpy((1.0 / np.sqrt(variance)).astype(np.float32)),
        )

    @classmethod
    def identity(cls) -> "Standardisation":
        """Return the standardisation that changes nothing."""
        return cls(torch.zeros(EMBEDDING_DIMENSION), torch.ones(EMBEDDING_DIMENSION))

    def to(self, device: torch.device) -> "Standardisation":
        """Move to a device."""
        return Standardisation(self.mean.to(device), self.scale.to(device))

    def __call__(self, embeddings: Tensor) -> Tensor:
        """Standardise embeddings [N, 512], as float32."""
        return embeddings.to(torch.float32, copy=True).sub_(self.mean).mul_(self.scale)

    @torch.no_grad()
    def folded_into(self, head: TypeHead) -> TypeHead:
        """Return a head, on the CPU in eval mode, that takes raw embeddings instead."""
        folded = copy.deepcopy(head).cpu().eval()
        mean, scale = self.mean.cpu().double(), self.scale.cpu().double()
        weight = folded.first.weight.double()
        weight[:, :EMBEDDING_DIMENSION] *= scale
        bias = folded.first.bias.double() - weight[:, :EMBEDDING_DIMENSION] @ mean
        folded.first.weight.copy_(weight)
        folded.first.bias.copy_(bias)
        return folded
