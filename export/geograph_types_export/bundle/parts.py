"""What is put into a bundle: verified encoders and heads."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geograph_types.distance.distance import UNKNOWN_BUCKET
from geograph_types.manifest import EncoderSource, Fidelity, HeadSource, Manifest, Precision
from geograph_types.session import Session
from geograph_types.thresholds import STATES, Thresholds


@dataclass(frozen=True, slots=True, eq=False)
class HeadTags:
    """Decides tags as a head does at unknown distance."""

    model: bytes  # the head's ONNX file
    source: HeadSource
    thresholds: Thresholds

    def __call__(self, embeds: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Decide the tags, [N, 7], of embeddings [N, 512]."""
        buckets = np.full(len(embeds), UNKNOWN_BUCKET, np.int64)
        scores = Session(self.model, "cpu").run(
            "probabilities", image_embeds=embeds, distance_bucket=buckets
        )
        tags: NDArray[np.bool_] = scores >= self.thresholds.limits()[0][STATES.index("unknown")]
        return tags

    def are_of(self, manifest: Manifest) -> bool:
        """Whether a bundle's head decides the same tags."""
        same_head = manifest.head is not None and manifest.head.sha256 == self.source.sha256
        return same_head and manifest.thresholds == self.thresholds


@dataclass(frozen=True, slots=True)
class EncoderPart:
    """A verified encoder."""

    model: bytes  # the ONNX file
    precision: Precision
    source: EncoderSource
    fidelity: Fidelity
    tags: HeadTags | None = None  # those that the gate has counted flips of, if it has


@dataclass(frozen=True, slots=True)
class HeadPart:
    """A verified head."""

    model: bytes  # the ONNX file
    source: HeadSource
    fidelity: Fidelity
    thresholds: Thresholds

    @property
    def tags(self) -> HeadTags:
        """The tags that it decides."""
        return HeadTags(self.model, self.source, self.thresholds)
