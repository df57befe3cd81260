"""What is put into a bundle: verified encoders and heads, and judgements of what is there."""

from collections.abc import Mapping
from dataclasses import dataclass

from geograph_types.manifest import EncoderSource, Fidelity, HeadSource, Precision
from geograph_types_export.head_tags import HeadTags

__all__ = ["EncoderPart", "HeadPart", "Rejudged"]


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
