"""What a number of photos takes: hours, machines, storage and cost."""

import math
from dataclasses import dataclass
from typing import Final

from geograph_types.embedding import EMBEDDING_DIMENSION

__all__ = ["EMBEDDING_BYTES", "GPU_ENCODER_RATE", "GPU_NAME", "GPU_SOURCE", "Estimate"]

GPU_NAME: Final = "RTX 3090, amp"
GPU_ENCODER_RATE: Final = 4601.5
"""Images a second of the encoder alone, at batches of 1024."""
GPU_SOURCE: Final = (
    "huggingface/pytorch-image-models, results/benchmark-infer-amp-nchw-pt240-cu124-rtx3090.csv, "
    "vit_base_patch32_clip_quickgelu_224"
)

EMBEDDING_BYTES: Final = {"float16": 2 * EMBEDDING_DIMENSION, "float32": 4 * EMBEDDING_DIMENSION}
"""Of one photo."""

HOUR: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """A way to go through an archive.

    Attributes:
        name: of the way.
        photos: in the archive.
        rate: photos a second of one machine.
        cores: of that machine.
    """

    name: str
    photos: int
    rate: float
    cores: int

    @property
    def hours(self) -> float:
        """On one machine."""
        return self.photos / self.rate / HOUR

    def machines(self, hours: float) -> int:
        """How many are needed to be done in time."""
        return max(1, math.ceil(self.hours / hours))

    @property
    def core_hours(self) -> float:
        """Hours times cores."""
        return self.hours * self.cores
