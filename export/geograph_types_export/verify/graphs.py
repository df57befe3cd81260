"""Hold a graph against its reference before it is accepted."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from math import ceil, floor, log10
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from geograph_types.distance import UNKNOWN_BUCKET
from geograph_types.distance.distance import BUCKET_COUNT
from geograph_types.embedding import EMBEDDING_DIMENSION
from geograph_types.manifest import Fidelity, file_name
from geograph_types.preprocess import preprocess
from geograph_types.session import Session
from geograph_types.taxonomy import CLASSES
from geograph_types_export import with_torch
from geograph_types_export.architecture import TowerState
from geograph_types_export.errors import DriftError
from geograph_types_export.verify.reference import REFERENCE, ReferenceTower
from geograph_types_trainer.head_weights import HeadWeights, head_logits
from geograph_types_trainer.scenes import draw_scene

CHECK_PHOTOS: Final = 32
CHECK_SEED: Final = 2_718_281
"""Apart from the small seeds that people give to training and test scenes."""

BATCHES: Final = (1, 2, 7)

TAGGER_PHOTOS: Final = 4
TAGGER_DIFFERENCE: Final = 1e-5

HEAD_ROWS_A_BUCKET: Final = 32
HEAD_DIFFERENCE: Final = 1e-6
"""Of probabilities; of logits where they are below 1, and as a share of the largest elsewhere."""

Embeds: TypeAlias = NDArray[np.float32] | NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Bounds:
    """What an encoder must keep to."""

    cosine: float  # with the reference, at least
    difference: float  # from the reference, at most
    spread: float  # between a photo's vector alone and in a batch, at most


FP32: Final = _Bounds(cosine=0.99999, difference=1e-3, spread=1e-5)
FP16: Final = _Bounds(cosine=0.9999, difference=0.1, spread=1e-2)


@dataclass(frozen=True, slots=True)
class Reference:
    """A tower to hold encoders against."""

    name: str  # for the manifest
    embed: Callable[[NDArray[np.uint8]], Embeds]  # pixels [N, 224, 224, 3] to [N, 512]


def numpy_reference(state: TowerState) -> Reference:
    """Return the plain tower in float64."""
    return Reference(REFERENCE, ReferenceTower(state).embed)


def open_clip_reference(state: TowerState) -> Reference:
    """Return open_clip's tower."""
    tower = with_torch.open_clip_tower(state)
    return Reference(with_torch.OPEN_CLIP, partial(with_torch.open_clip_embeds, tower))


@cache
def check_photos(count: int = CHECK_PHOTOS) -> NDArray[np.uint8]:
    """Draw the first photos that encoders are checked with, once: uint8 [count, 224, 224, 3]."""
    rng = np.random.default_rng(CHECK_SEED)
    names = [CLASSES[index % len(CLASSES)] for index in range(count)]
    pixels = np.stack([preprocess(draw_scene(name, rng)) for name in names])
    pixels.setflags(write=False)
    return pixels


def embed(session: Session, pixels: NDArray[np.uint8], batch: int) -> NDArray[np.float32]:
    """Run an encoder over photos [N, 224, 224, 3] in batches."""
    starts = range(0, len(pixels), batch)
    parts = [session.run("image_embeds", pixels=pixels[start : start + batch]) for start in starts]
    return np.concatenate(parts)


def cosines(a: Embeds, b: Embeds) -> NDArray[np.float64]:
    """Compute the cosine of each pair of rows, [N], of two matrices [N, 512]."""
    x, y = a.astype(np.float64), b.astype(np.float64)
    norms = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    return np.asarray((x * y).sum(axis=1) / norms, np.float64)


def verify_encoder(
    model: bytes, precision: Literal["fp32", "fp16"], reference: Reference
) -> Fidelity:
    """Compare a floating-point encoder on the CPU with a reference, alone and in batches."""
    path = file_name("encoder", precision)
    bounds = FP32 if precision == "fp32" else FP16
    pixels = check_photos()
    expected = reference.embed(pixels)
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
            problem = f"worst cosine {cosine:.7f}, largest difference {difference:.2g}"
            raise DriftError(path, reference.name, problem)
        if not spread <= bounds.spread:
            problem = f"vectors differ by {spread:.2g} in batches of {size}"
            raise DriftError(path, reference.name, problem)
    return Fidelity(
        path=path,
        reference=f"{reference.name}, drawn scenes",
        samples=len(pixels),
        minimum_cosine=floor(cosine * 1e6) / 1e6,
        maximum_difference=upper_bound(difference),
    )


def verify_tagger(model: bytes, path: str, encoder: bytes, head: bytes) -> Fidelity:
    """Compare a joined graph with its parts, one run after the other."""
    reference = "the bundle's encoder and head, one after the other"
    pixels = check_photos(TAGGER_PHOTOS)
    buckets = np.linspace(0, UNKNOWN_BUCKET, TAGGER_PHOTOS).astype(np.int64)
    embeds = Session(encoder, "cpu").run("image_embeds", pixels=pixels)
    scores = Session(head, "cpu").run("probabilities", image_embeds=embeds, distance_bucket=buckets)
    joined = Session(model, "cpu")
    difference = 0.0
    for output, expected in (("image_embeds", embeds), ("probabilities", scores)):
        computed = joined.run(output, pixels=pixels, distance_bucket=buckets)
        difference = float(np.abs(computed - expected).max(initial=difference))
        if not difference <= TAGGER_DIFFERENCE:
            raise DriftError(path, reference, f"{output} differ by {difference:.2g}")
    return _without_cosine(path, reference, TAGGER_PHOTOS, difference)


def verify_head(model: bytes, path: str, weights: HeadWeights) -> Fidelity:
    """Compare a head with numpy in float64 over all distance buckets."""
    reference = "probabilities of the head in numpy, random embeddings in all distance buckets"
    rng = np.random.default_rng(CHECK_SEED)
    buckets = np.repeat(np.arange(BUCKET_COUNT, dtype=np.int64), HEAD_ROWS_A_BUCKET)
    # Real vectors have a norm near 10.8.
    rows = rng.normal(0, 10.8 / EMBEDDING_DIMENSION**0.5, (len(buckets), EMBEDDING_DIMENSION))
    embeddings = rows.astype(np.float32)
    logits = head_logits(weights, embeddings, buckets)
    session = Session(model, "cpu")
    for output, expected in (("logits", logits), ("probabilities", (1 + np.tanh(logits / 2)) / 2)):
        computed = session.run(output, image_embeds=embeddings, distance_bucket=buckets)
        difference = float(np.abs(computed - expected).max())
        if not difference <= HEAD_DIFFERENCE * max(1.0, float(np.abs(expected).max())):
            raise DriftError(path, reference, f"{output} differ by {difference:.2g}")
    return _without_cosine(path, reference, len(buckets), difference)


def _without_cosine(path: str, reference: str, samples: int, difference: float) -> Fidelity:
    return Fidelity(path, reference, samples, None, upper_bound(difference))


def upper_bound(difference: float) -> float:
    """Round up to one digit: the digits after it are those of the machine, not of the file."""
    if difference == 0:
        return 0.0
    exponent = floor(log10(difference))
    return float(f"{ceil(difference / 10**exponent)}e{exponent}")
