"""Hold a graph against torch before it is accepted."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from geograph_types.distance import UNKNOWN_BUCKET
from geograph_types.distance.distance import BUCKET_COUNT
from geograph_types.embedding import EMBEDDING_DIMENSION
from geograph_types.manifest import Fidelity, file_name
from geograph_types.preprocess import preprocess
from geograph_types.session import Session
from geograph_types.taxonomy import CLASSES
from geograph_types_export.errors import DriftError
from geograph_types_export.verify.reference import REFERENCE, ReferenceTower, cosines, embed
from geograph_types_trainer.head import TypeHead
from geograph_types_trainer.scenes import draw_scene

CHECKED_PHOTOS: Final = 4


DIFFERENCE: Final = 1e-5


def verify_tagger(model: bytes, path: str, encoder: bytes, head: bytes) -> Fidelity:
    """Hold a joined graph against its parts, one run after the other.

    Args:
        model: the joined file's bytes.
        path: its name in the bundle.
        encoder: the encoder's bytes.
        head: the head's bytes.

    Raises:
        DriftError: a probability or a number of an embedding differs by more than 1e-5.
    """
    pixels = check_photos(CHECKED_PHOTOS)
    buckets = np.linspace(0, UNKNOWN_BUCKET, CHECKED_PHOTOS).astype(np.int64)
    embeds = Session(encoder, "cpu").run("image_embeds", pixels=pixels)
    scores = Session(head, "cpu").run("probabilities", image_embeds=embeds, distance_bucket=buckets)
    joined = Session(model, "cpu")
    difference = 0.0
    for output, expected in (("image_embeds", embeds), ("probabilities", scores)):
        computed = joined.run(output, pixels=pixels, distance_bucket=buckets)
        difference = float(np.abs(computed - expected).max(initial=difference))
        # A NaN compares as false: the test is written so that it fails it.
        if not difference <= DIFFERENCE:
            raise DriftError(path, f"{output} differ from its parts' by {difference:.2g}")
    return Fidelity(
        path=path,
        reference="the bundle's encoder and head, one after the other",
        samples=CHECKED_PHOTOS,
        minimum_cosine=None,
        maximum_difference=upper_bound(difference),
    )


CHECK_PHOTOS: Final = 32
CHECK_SEED: Final = 2_718_281
"""Apart from the small seeds that people give to training and test scenes."""

BATCHES: Final = (1, 2, 7)


@dataclass(frozen=True, slots=True)
class _Bounds:
    """What an encoder must keep to.

    Attributes:
        cosine: at least, with torch in float32.
        difference: at most, from torch.
        spread: at most, between a photo's vector alone and in a batch.
    """

    cosine: float
    difference: float
    spread: float


FP32: Final = _Bounds(cosine=0.99999, difference=1e-3, spread=1e-5)
FP16: Final = _Bounds(cosine=0.9999, difference=0.1, spread=1e-2)

HEAD_ROWS_A_BUCKET: Final = 32
HEAD_DIFFERENCE: Final = 1e-6
"""Of probabilities; of logits where they are below 1, and as a share of the largest elsewhere."""


def check_photos(count: int = CHECK_PHOTOS) -> NDArray[np.uint8]:
    """Draw the first photos that encoders are checked with, uint8 [count, 224, 224, 3]."""
    rng = np.random.default_rng(CHECK_SEED)
    names = [CLASSES[index % len(CLASSES)] for index in range(count)]
    return np.stack([preprocess(draw_scene(name, rng)) for name in names])


def verify_encoder(
    model: bytes, precision: Literal["fp32", "fp16"], state: Mapping[str, torch.Tensor]
) -> Fidelity:
    """Compare a floating-point encoder on the CPU with open_clip's tower, alone and in batches.

    Args:
        model: the ONNX file's bytes.
        precision: of its arithmetic.
        state: the weights, by open_clip's keys of the tower.

    Raises:
        DriftError: a cosine under 0.99999, a difference over 1e-3, or a vector that depends by
            more than 1e-5 on the rest of its batch; in float16 0.9999, 0.1, and 0.01.
    """
    path = file_name("encoder", precision)
    bounds = FP32 if precision == "fp32" else FP16
    pixels = check_photos()
    expected = ReferenceTower(state).embed(pixels)
    session = Session(model, "cpu")
    alone: NDArray[np.float32] | None = None
    cosine, difference = 1.0, 0.0
    for size in BATCHES:
        embeds = embed(session, pixels, size)
        alone = embeds if alone is None else alone
        cosine = min(cosine, float(cosines(embeds, expected).min()))
        difference = max(difference, float(np.abs(embeds - expected).max()))
        spread = float(np.abs(embeds - alone).max())
        # A NaN compares as false: the tests are written so that it fails them.
        if not (cosine >= bounds.cosine and difference <= bounds.difference):
            raise DriftError(
                path, f"worst cosine {cosine:.7f}, largest difference {difference:.2g}"
            )
        if not spread <= bounds.spread:
            raise DriftError(path, f"vectors differ by {spread:.2g} in batches of {size}")
    return Fidelity(
        path=path,
        reference=f"{REFERENCE}, drawn scenes",
        samples=len(pixels),
        minimum_cosine=floor(cosine * 1e6) / 1e6,
        maximum_difference=upper_bound(difference),
    )


def verify_head(model: bytes, path: str, head: TypeHead) -> Fidelity:
    """Compare a head with torch over all distance buckets.

    Args:
        model: the ONNX file's bytes.
        path: its name in the bundle.
        head: the same head, in eval mode.

    Raises:
        DriftError: a probability differs by more than 1e-6, or a logit by more than that share of
            the largest.
    """
    rng = np.random.default_rng(CHECK_SEED)
    buckets = np.repeat(np.arange(BUCKET_COUNT, dtype=np.int64), HEAD_ROWS_A_BUCKET)
    # Real vectors have a norm near 10.8.
    rows = rng.normal(0, 10.8 / EMBEDDING_DIMENSION**0.5, (len(buckets), EMBEDDING_DIMENSION))
    embeddings = rows.astype(np.float32)
    with torch.inference_mode():
        logits = head(torch.from_numpy(embeddings), torch.from_numpy(buckets))
    session = Session(model, "cpu")
    for output, expected in (("logits", logits), ("probabilities", torch.sigmoid(logits))):
        computed = session.run(output, image_embeds=embeddings, distance_bucket=buckets)
        difference = float(np.abs(computed - expected.numpy()).max())
        if not difference <= HEAD_DIFFERENCE * max(1.0, float(expected.abs().max())):
            raise DriftError(path, f"{output} differ by {difference:.2g}")
    return Fidelity(
        path=path,
        reference="probabilities of the head in torch, random embeddings in all distance buckets",
        samples=len(buckets),
        minimum_cosine=None,
        maximum_difference=upper_bound(difference),
    )


def upper_bound(difference: float) -> float:
    """Round up to one digit: the digits after it are those of the machine, not of the file."""
    if difference == 0:
        return 0.0
    exponent = floor(log10(difference))
    return float(f"{ceil(difference / 10**exponent)}e{exponent}")
