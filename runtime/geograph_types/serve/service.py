"""What the service does with a photo or with stored embeddings, apart from HTTP."""

from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from time import monotonic
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from geograph_types.distance.distance import Distance, DistanceBasis, DistanceSource
from geograph_types.distance.sources import NOWHERE, BestDistance, Places, best_distance
from geograph_types.errors import (
    DistanceError,
    EmbeddingError,
    GridError,
    MissingExtraError,
    PhotoError,
)
from geograph_types.files.text import as_utf_8
from geograph_types.prediction import Prediction
from geograph_types.serve.admission import Admission
from geograph_types.serve.batcher import Batcher
from geograph_types.serve.decoding import Decoder, ServedPhoto
from geograph_types.serve.messages import DistanceAnswer, ScoreAnswer, TagAnswer
from geograph_types.serve.metrics import Metrics
from geograph_types.serve.model import Model
from geograph_types.serve.payloads import image_payload, tag_payload
from geograph_types.serve.problems import ProblemError, Reason, photo_problem, too_late
from geograph_types.serve.rows import ScorePayload, score_payload
from geograph_types.serve.settings import Limits
from geograph_types.serve.threads import run_in_thread
from geograph_types.system.cpu import usable_cpus
from geograph_types.taxonomy import CLASSES

T = TypeVar("T")

SOURCES = {
    DistanceSource.STATED: "given",
    DistanceSource.CSV_AND_EXIF: "given_and_exif",
}
"""Names of sources in answers; others keep their own."""

TOO_COARSE = (
    "a position is too coarse to give a distance: write a grid reference with 6 figures or more, "
    "degrees with 3 decimals or more, or give the distance"
)


class Service:
    """Embed, tag and score.

    Bodies are parsed and photos decoded in threads, as many as there are processors; the encoder
    has as many of its own as it has streams.
    """

    def __init__(self, model: Model, loader: Executor, limits: Limits, metrics: Metrics) -> None:
        """Prepare for use in the running event loop; the model may still be loading."""
        self.model = model
        self.admission = Admission(limits.queue_seconds, limits.batch)
        self.metrics = metrics
        self._deadline_seconds = limits.deadline_seconds
        self._decoder = Decoder(limits.decoding_bytes)
        self._threads = ThreadPoolExecutor(usable_cpus(), "decode")
        self._batcher = Batcher(
            model.embed,
            loader,
            min(limits.batch, model.batch),
            model.streams,
            limits.batch_wait_seconds,
            metrics.observe_batch,
        )
        metrics.show(
            "waiting_requests", "Requests that are accepted and not finished.", self._waiting
        )
        metrics.show("waiting_seconds", "Accepted work, in expected time.", self._expected)
        metrics.show("model_loaded", "1 while the encoder is in memory.", self._is_loaded)

    def close(self) -> None:
        """End the threads, which have nothing left to do."""
        self._threads.shutdown()

    async def image(self, body: bytes) -> bytes:
        """Answer `/image`: a JSON list of 512 numbers."""
        with self.admission.accepted(len(body)):
            deadline = monotonic() + self._deadline_seconds

            def decode() -> ServedPhoto:
                return self._decode(image_payload(body), deadline)

            return msgspec.json.encode((await self._embedding(decode, deadline))[1].tolist())

    async def tag(self, body: bytes, content_type: str, with_embedding: bool) -> bytes:
        """Answer `/tag`: a `TagAnswer` in JSON."""
        with self.admission.accepted(len(body)):
            deadline = monotonic() + self._deadline_seconds
            best: BestDistance

            def decode() -> ServedPhoto:
                nonlocal best
                payload = tag_payload(body, content_type)
                _best(payload.places, NOWHERE)  # what cannot be used saves the decoding
                photo = self._decode(payload.photo, deadline)
                best = _best(payload.places, photo.exif.places)
                return photo

            photo, embedding = await self._embedding(decode, deadline)
            with self.metrics.stage("score"):
                (prediction,) = self._predict(embedding[None], [best.distance])
            warnings = _warnings(photo, best)
            answer = _tag_answer(prediction, warnings, embedding if with_embedding else None)
            return msgspec.json.encode(answer)

    async def score(self, body: bytes, content_type: str) -> bytes:
        """Answer `/score`: a `ScoreAnswer` in JSON."""
        with self.admission.accepted(len(body)), self.metrics.stage("score"):
            deadline = monotonic() + self._deadline_seconds

            def score() -> bytes:
                if monotonic() > deadline:
                    raise too_late()
                payload = score_payload(body, content_type)
                return msgspec.json.encode(self._score(payload))

            return await self._in_thread(score)

    async def _embedding(
        self, decode: Callable[[], ServedPhoto], deadline: float
    ) -> tuple[ServedPhoto, NDArray[np.float32]]:
        self._batcher.expected += 1
        try:
            with self.metrics.stage("decode"):
                photo = await self._in_thread(decode)
        finally:
            self._batcher.expected -= 1
        with self.metrics.stage("embed"):
            return photo, await self._batcher.embedding(photo.pixels, deadline)

    async def _in_thread(self, job: Callable[[], T]) -> T:
        return await run_in_thread(self._threads, job)

    def _decode(self, data: bytes, deadline: float) -> ServedPhoto:
        try:
            return self._decoder.decode(data, deadline)
        except PhotoError as error:
            raise photo_problem(error) from None

    def _score(self, payload: ScorePayload) -> ScoreAnswer:
        predictions = self._predict(payload.embeddings, payload.distances)
        return ScoreAnswer(
            classes=list(CLASSES),
            probabilities=[
                [round(p, 7) for p in prediction.probabilities.values()]
                for prediction in predictions
            ],
            tags=[list(prediction.tags) for prediction in predictions],
            low_confidence=[prediction.low_confidence for prediction in predictions],
            model=self.model.bundle.label,
            stand_in=self.model.bundle.is_stand_in,
        )

    def _predict(
        self, embeddings: NDArray[np.float32], distances: list[Distance]
    ) -> list[Prediction]:
        try:
            return self.model.predict(embeddings, distances)
        except EmbeddingError as error:
            raise ProblemError(422, Reason.BAD_EMBEDDING, str(error)) from None

    def _waiting(self) -> float:
        return self.admission.waiting

    def _expected(self) -> float:
        return self.admission.expected_seconds

    def _is_loaded(self) -> float:
        return self.model.is_loaded


def _best(given: Places, exif: Places) -> BestDistance:
    try:
        return best_distance(given, exif)
    except (GridError, MissingExtraError) as error:
        raise ProblemError(422, Reason.BAD_POSITION, str(error)) from None
    except DistanceError as error:
        raise ProblemError(422, Reason.BAD_DISTANCE, str(error)) from None


def _warnings(photo: ServedPhoto, best: BestDistance) -> list[str]:
    warnings = ["the file is cut off"] if photo.truncated else []
    if best.distance.source is not DistanceSource.STATED:
        warnings += photo.exif.problems
    warnings += [best.problem] if best.problem else []
    if best.distance.basis is DistanceBasis.TOO_COARSE:
        warnings.append(TOO_COARSE)
    return [as_utf_8(text) for text in warnings]


def _tag_answer(
    prediction: Prediction, warnings: list[str], embedding: NDArray[np.float32] | None
) -> TagAnswer:
    distance = prediction.distance
    return TagAnswer(
        tags=list(prediction.tags),
        low_confidence=prediction.low_confidence,
        probabilities={name: round(p, 7) for name, p in prediction.probabilities.items()},
        distance=DistanceAnswer(
            metres=distance.metres,
            bucket=distance.bucket,
            basis=distance.basis.value,
            source=SOURCES.get(distance.source, distance.source.value),
            cross_grid=distance.crossing.value,
        ),
        model=prediction.model,
        stand_in=prediction.stand_in,
        warnings=warnings,
        embedding=msgspec.UNSET if embedding is None else embedding.tolist(),
    )
