"""What the service does with a photo or with stored embeddings, apart from HTTP."""

from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from time import monotonic

import msgspec
import numpy as np
from numpy.typing import NDArray

from geograph_types.distance.distance import Distance, DistanceBasis, DistanceSource
from geograph_types.distance.sources import NOWHERE, BestDistance, best_distance
from geograph_types.files.text import as_utf_8
from geograph_types.prediction import Prediction
from geograph_types.serve.admission import Admission
from geograph_types.serve.batcher import Batcher
from geograph_types.serve.decoding import Decoder, ServedPhoto
from geograph_types.serve.messages import ScoreAnswer, TagAnswer
from geograph_types.serve.metrics import Metrics
from geograph_types.serve.model import Model
from geograph_types.serve.payloads import image_payload, score_payload, tag_payload
from geograph_types.serve.problems import too_late
from geograph_types.serve.settings import Limits
from geograph_types.serve.threads import run_in_thread
from geograph_types.system.cpu import usable_cpus
from geograph_types.taxonomy import CLASSES

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
        admission = self.admission
        for name, description, value in (
            ("waiting_requests", "Accepted and not finished.", lambda: admission.waiting),
            ("waiting_seconds", "Of accepted work.", lambda: admission.expected_seconds),
            ("model_loaded", "1 while the encoder is in memory.", lambda: model.is_loaded),
        ):
            metrics.show(name, description, value)

    def close(self) -> None:
        """End the threads, which have nothing left to do."""
        self._threads.shutdown()

    async def image(self, body: bytearray, _: str) -> bytes:
        """Answer `/image`: a JSON list of 512 numbers."""
        with self.admission.accepted(len(body)):
            deadline = monotonic() + self._deadline_seconds

            def decode() -> ServedPhoto:
                return self._decoder.decode(image_payload(body), deadline)

            return msgspec.json.encode((await self._embedding(decode, deadline))[1].tolist())

    async def tag(self, body: bytearray, content_type: str, with_embedding: bool) -> bytes:
        """Answer `/tag`: a `TagAnswer` in JSON."""
        with self.admission.accepted(len(body)):
            deadline = monotonic() + self._deadline_seconds
            best: BestDistance

            def decode() -> ServedPhoto:
                nonlocal best
                data, places = tag_payload(body, content_type)
                best_distance(places, NOWHERE)  # what cannot be used saves the decoding
                photo = self._decoder.decode(data, deadline)
                best = best_distance(places, photo.exif.places)
                return photo

            photo, embedding = await self._embedding(decode, deadline)
            with self.metrics.stage("score"):
                (prediction,) = self.model.predict(embedding[None], [best.distance])
            warnings = _warnings(photo, best)
            answer = _tag_answer(prediction, warnings, embedding if with_embedding else None)
            return msgspec.json.encode(answer)

    async def score(self, body: bytearray, content_type: str) -> bytes:
        """Answer `/score`: a `ScoreAnswer` in JSON."""
        with self.admission.accepted(len(body)), self.metrics.stage("score"):
            deadline = monotonic() + self._deadline_seconds

            def score() -> bytes:
                if monotonic() > deadline:
                    raise too_late()
                return msgspec.json.encode(self._score(*score_payload(body, content_type)))

            return await run_in_thread(self._threads, score)

    async def _embedding(
        self, decode: Callable[[], ServedPhoto], deadline: float
    ) -> tuple[ServedPhoto, NDArray[np.float32]]:
        self._batcher.expected += 1
        try:
            with self.metrics.stage("decode"):
                photo = await run_in_thread(self._threads, decode)
        finally:
            self._batcher.expected -= 1
        with self.metrics.stage("embed"):
            return photo, await self._batcher.embedding(photo.pixels, deadline)

    def _score(self, embeddings: NDArray[np.float32], distances: list[Distance]) -> ScoreAnswer:
        predictions = self.model.predict(embeddings, distances)
        return ScoreAnswer(
            classes=list(CLASSES),
            probabilities=[
                [round(p, 7) for p in prediction.probabilities.values()]
                for prediction in predictions
            ],
            tags=[list(prediction.tags) for prediction in predictions],
            certain=[list(prediction.certain) for prediction in predictions],
            low_confidence=[prediction.low_confidence for prediction in predictions],
            model=self.model.bundle.label,
            stand_in=self.model.bundle.is_stand_in,
        )


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
    values = prediction.as_dict()
    source = prediction.distance.source
    values["distance"] |= {
        "source": SOURCES.get(source, source.value),
        "cross_grid": values["cross_grid"],
    }
    values["warnings"] = warnings
    if embedding is not None:
        values["embedding"] = embedding.tolist()
    return msgspec.convert(values, TagAnswer)
