"""What is put into a bundle: verified encoders and heads, and judgements of what is there."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geograph_types.distance.distance import UNKNOWN_BUCKET
from geograph_types.manifest import EncoderSource, Fidelity, HeadSource, Precision
from geograph_types.session import Session
from geograph_types.taxonomy import CLASSES


@dataclass(frozen=True, slots=True, eq=False)
class HeadTags:
    """Decides tags as a head does at unknown distance.

    Attributes:
        model: the head's ONNX file.
        source: where it comes from.
        thresholds: by class.
    """

    model: bytes
    source: HeadSource
    thresholds: Mapping[str, float]

    def __call__(self, embeds: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Decide the tags of embeddings [N, 512], [N, 7]."""
        buckets = np.full(len(embeds), UNKNOWN_BUCKET, np.int64)
        scores = Session(self.model, "cpu").run(
            "probabilities", image_embeds=embeds, distance_bucket=buckets
        )
        tags: NDArray[np.bool_] = scores >= np.array([self.thresholds[name] for name in CLASSES])
        return tags

    def is_of(self, source: HeadSource | None, thresholds: Mapping[str, float]) -> bool:
        """Whether this is what a bundle's head decides."""
        same_head = source is not None and source.sha256 == self.source.sha256
        return same_head and dict(thresholds) == dict(self.thresholds)


@dataclass(frozen=True, slots=True)
class EncoderPart:
    """A verified encoder.

    Attributes:
        model: the ONNX file's bytes.
        precision: of its arithmetic.
        source: of its weights.
        fidelity: as measured.
        judge: the head by whose tags the gate has judged int8, if there was one.
    """

    model: bytes
    precision: Precision
    source: EncoderSource
    fidelity: Fidelity
    judge: HeadTags | None = None


@dataclass(frozen=True, slots=True)
class HeadPart:
    """A verified head.

    Attributes:
        model: the ONNX file's bytes.
        source: where it comes from.
        fidelity: as measured.
        thresholds: by class.
    """

    model: bytes
    source: HeadSource
    fidelity: Fidelity
    thresholds: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Rejudged:
    """What the gate says of an int8 encoder that is in the bundle, by the tags of another head.

    Attributes:
        sha256: of the encoder.
        flipped_tags: their share.
        judge: the head.
    """

    sha256: str
    flipped_tags: float
    judge: HeadTags
