"""Embedding and distance to prediction: the Python interface to a bundle."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from os import PathLike
from typing import Final, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from geograph_types.bundle import Bundle
from geograph_types.decoding.open import PhotoLike, open_photo
from geograph_types.distance.distance import BUCKET_COUNT, Distance, DistanceLike, buckets_of
from geograph_types.embedding import (
    EMBEDDING_DIMENSION,
    as_embeddings,
    embedding_faults,
    widen,
)
from geograph_types.errors import EmbeddingFault, InputError, PhotoError
from geograph_types.manifest import Precision
from geograph_types.prediction import Prediction
from geograph_types.preprocess import CROP, preprocess
from geograph_types.session import Device, Session, pick_device
from geograph_types.system.cpu import usable_cpus
from geograph_types.tags import final_tags
from geograph_types.taxonomy import CLASSES
from geograph_types.thresholds import Thresholds

PrecisionChoice: TypeAlias = Literal["auto"] | Precision

PREFERENCE: Final[dict[str, tuple[Precision, ...]]] = {
    "cpu": ("int8", "fp32", "fp16"),
    "cuda": ("fp16", "fp32", "int8"),
}
"""Precisions from best to worst on each device, if the user leaves the choice."""

ENCODER_BATCH: Final = 8
"""Photos in one run: larger batches are no faster on a CPU and take more memory."""

LEAST_BATCH: Final = 4
"""If several runs go on at once: fewer photos in a run take longer each."""

HEAD_BATCH: Final = 512
"""Rows in one run: what goes in and comes out stays in a processor's own cache."""


def _pixels(photo: PhotoLike) -> NDArray[np.uint8]:
    try:
        return preprocess(open_photo(photo))
    except PhotoError as error:
        name = "image" if isinstance(photo, bytes | Image.Image) else str(photo)
        raise PhotoError(name, error.fault, error.detail) from None


def choose_precision(bundle: Bundle, precision: PrecisionChoice, device: str) -> Precision:
    """Return the precision to use: for "auto", the best for the device that the bundle has."""
    if precision != "auto":
        bundle.find("encoder", precision)
        return precision
    present = bundle.manifest.precisions
    ranked = [choice for choice in PREFERENCE[device] if choice in present]
    return ranked[0] if ranked else "fp32"


class TypeTagger:
    """Predict Type tags with a model bundle.

    The encoder and the head are each loaded when first needed, after their digests were checked.
    """

    def __init__(
        self,
        bundle: str | PathLike[str] | Bundle,
        device: Device = "auto",
        precision: PrecisionChoice = "auto",
        threads: int | None = None,
        streams: int = 1,
    ) -> None:
        """Open a bundle.

        Args:
            bundle: its folder.
            device: "auto" takes CUDA where the installed onnxruntime can load it.
            precision: of the encoder; "auto" takes the best for the device that the bundle has.
            threads: for one run of the model; `None` follows the CPU quota.
            streams: runs of the encoder at once; see `for_many`.

        Raises:
            BundleError: see `Bundle.open`.
            BackendError: no usable onnxruntime.
            DeviceError: "cuda" is not available here.
            InputError: an argument has another value.
        """
        if precision != "auto" and precision not in get_args(Precision):
            raise InputError(f"precision {precision!r} is not one of auto, fp32, fp16, int8")
        if (threads is not None and threads < 1) or streams < 1:
            raise InputError(
                f"threads is {threads!r} and streams {streams!r}: give 1 or more, or leave it out"
            )
        self.bundle = Bundle.open(bundle)
        self.device = pick_device(device)  # "cpu" or "cuda"
        self._device_choice = device
        self._precision = precision
        self._threads = threads
        self.streams = streams

    @classmethod
    def for_many(
        cls,
        bundle: str | PathLike[str] | Bundle,
        device: Device = "auto",
        precision: PrecisionChoice = "auto",
        threads: int | None = None,
    ) -> "TypeTagger":
        """Open a bundle for many photos; `threads` are in all, the rest is as for a tagger.

        On a CPU each thread runs batches of its own, beside the others: threads that share a run
        wait for one another, and take the processors from those that decode meanwhile.
        """
        if pick_device(device) == "cuda":
            return cls(bundle, device, precision, threads)
        streams = usable_cpus() if threads is None else threads
        return cls(bundle, device, precision, threads=1, streams=streams)

    @property
    def batch(self) -> int:
        """Photos in a run of the encoder, if there are many."""
        return max(LEAST_BATCH, ENCODER_BATCH // self.streams)

    def load(self) -> None:
        """Load the encoder now, if it is not, and not with the first photo.

        Raises:
            BundleError: the bundle lacks it, or is damaged.
            BackendError: onnxruntime refuses it.
        """
        self._encoder  # noqa: B018  loads it

    @property
    def precision(self) -> Precision:
        """The precision of the encoder that is used.

        Raises:
            BundleError: the bundle does not have it.
        """
        return choose_precision(self.bundle, self._precision, self.device)

    @cached_property
    def _encoder(self) -> Session:
        with self.bundle.model(self.bundle.find("encoder", self.precision)) as path:
            return Session(path, self._device_choice, self._threads)

    @cached_property
    def _head(self) -> Session:
        with self.bundle.model(self.bundle.find("head")) as path:
            return Session(path, self._device_choice, self._threads)

    def tag(self, photo: PhotoLike, distance: DistanceLike = None) -> Prediction:
        """Predict the tags of a photo: a path, an encoded file's bytes, or an image of Pillow.

        The distance is a `Distance`, metres, or `None` for unknown.

        Raises:
            PhotoError: the photo cannot be used.
            DistanceError: the distance cannot be used.
            BundleError: the bundle lacks the encoder or the head, or is damaged.
        """
        known = Distance.of(distance)
        return self.predict(self.embed([photo]), [known])[0]

    def embed(self, photos: Iterable[PhotoLike]) -> NDArray[np.float32]:
        """Compute the raw (not normalised) CLIP embeddings of photos, float32 [N, 512].

        Raises:
            PhotoError: for the first photo that cannot be used.
            BundleError: the bundle lacks the encoder, or is damaged.
        """
        if isinstance(photos, str | bytes | PathLike | Image.Image):
            raise InputError("embed takes several photos: put a single one in a list")
        pixels = [_pixels(photo) for photo in photos]
        return self.embed_pixels(np.stack(pixels) if pixels else np.empty((0, CROP, CROP, 3), "u1"))

    def embed_pixels(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Compute embeddings, float32 [N, 512], of pixels as `preprocess` returns them.

        Raises:
            InputError: another shape or type.
            BundleError: the bundle lacks the encoder, or is damaged.
        """
        if pixels.dtype != np.uint8 or pixels.shape[1:] != (CROP, CROP, 3):
            raise InputError(
                f"pixels are {pixels.dtype} {pixels.shape}, not uint8 [N, {CROP}, {CROP}, 3]: "
                "make them with geograph_types.preprocess"
            )
        embeds = np.empty((len(pixels), EMBEDDING_DIMENSION), np.float32)
        for start in range(0, len(pixels), ENCODER_BATCH):
            rows = slice(start, start + ENCODER_BATCH)
            embeds[rows] = self._encoder.run("image_embeds", pixels=pixels[rows])
        return embeds

    def score(
        self, embeddings: ArrayLike, distances: Sequence[DistanceLike] | NDArray[np.floating]
    ) -> NDArray[np.float32]:
        """Compute probabilities, float32 [N, 7] in the order of `CLASSES`; no photo is needed.

        Embeddings are raw ones of CLIP, [N, 512]. Distances are N of them as for `tag`, or an array
        of N metres with NaN for unknown.

        Raises:
            EmbeddingError: a vector is not a raw CLIP embedding, for instance a normalised one.
            DistanceError: a distance that cannot be used.
            InputError: not one distance for each embedding.
            BundleError: the bundle lacks the head, or is damaged.
        """
        if isinstance(distances, np.ndarray) and distances.dtype.kind in "fiu":
            buckets = buckets_of(distances)
        else:
            if np.ndim(distances) == 0:  # type: ignore[arg-type]
                raise InputError("score takes a distance for each embedding: put it in a list")
            known = [Distance.of(distance).bucket for distance in distances]
            buckets = np.array(known, dtype=np.int64)
        return self.score_buckets(embeddings, buckets)

    def score_buckets(
        self, embeddings: ArrayLike, buckets: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Compute probabilities, float32 [N, 7], at distance buckets [N], each from 0 to 22.

        Raises:
            EmbeddingError: a vector is not a raw CLIP embedding.
            InputError: not one bucket for each embedding, or none of the 23.
            BundleError: the bundle lacks the head, or is damaged.
        """
        rows = as_embeddings(embeddings)
        if np.asarray(buckets).dtype.kind not in "iu":
            raise InputError("distance buckets are whole numbers: use Distance.bucket")
        buckets = np.asarray(buckets, np.int64)
        if buckets.shape != (len(rows),):
            raise InputError(
                f"{len(rows)} embeddings but {buckets.shape} distances: give one for each"
            )
        if ((buckets < 0) | (buckets >= BUCKET_COUNT)).any():
            raise InputError(f"distance buckets are 0 to {BUCKET_COUNT - 1}: use Distance.bucket")
        scores = np.empty((len(rows), len(CLASSES)), np.float32)
        for start in range(0, len(rows), HEAD_BATCH):
            part = slice(start, start + HEAD_BATCH)
            scores[part] = self._run_head(rows[part], buckets[part])
        return scores

    def score_stored(
        self, embeddings: NDArray[np.floating], buckets: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], dict[int, EmbeddingFault]]:
        """Compute probabilities, float32 [N, 7], and the faults of embeddings, by row.

        Each part is widened, checked and scored while it is in a processor's own cache.
        """
        scores = np.empty((len(embeddings), len(CLASSES)), np.float32)
        faults: dict[int, EmbeddingFault] = {}
        for start in range(0, len(embeddings), HEAD_BATCH):
            part = slice(start, start + HEAD_BATCH)
            rows = widen(embeddings[part])
            faults |= {start + row: fault for row, fault in embedding_faults(rows).items()}
            scores[part] = self._run_head(rows, buckets[part])
        return scores, faults

    def _run_head(
        self, rows: NDArray[np.float32], buckets: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        return self._head.run("probabilities", image_embeds=rows, distance_bucket=buckets)

    def predict(
        self,
        embeddings: ArrayLike,
        distances: Sequence[DistanceLike],
        threshold: float | None = None,
    ) -> list[Prediction]:
        """Score stored embeddings, [N, 512], at N distances, and choose their tags.

        The threshold, 0 to 1, is that of all classes; with `None`, each has the bundle's own.

        Raises:
            InputError: the threshold is not between 0 and 1.
            Further as `score`.
        """
        thresholds = self.bundle.thresholds(threshold)
        known = [Distance.of(distance) for distance in distances]
        return [
            self._prediction(row, distance, thresholds)
            for row, distance in zip(self.score(embeddings, known).tolist(), known, strict=True)
        ]

    def _prediction(
        self, probabilities: list[float], distance: Distance, thresholds: Thresholds
    ) -> Prediction:
        chosen = final_tags(probabilities, thresholds.at(distance.bucket), distance.crosses_grid)
        return Prediction(
            probabilities=dict(zip(CLASSES, probabilities, strict=True)),
            tags=chosen.tags,
            certain=chosen.certain,
            low_confidence=chosen.low_confidence,
            distance=distance,
            model=self.bundle.label,
            stand_in=self.bundle.is_stand_in,
        )
