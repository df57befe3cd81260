"""What the service does with a photo or with stored embeddings, apart from HTTP."""

from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from time import monotonic

import msgspec
import numpy as np
from numpy.typing import NDArray

from geograph_types.distance.distance import DistanceBasis, DistanceSource
from geograph_types.distance.sources import NOWHERE, BestDistance, best_distance
from geograph_types.files.text import as_utf_8
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

# Names of sources in answers; others keep their own.
SOURCES = {DistanceSource.STATED: "given", DistanceSource.CSV_AND_EXIF: "given_and_exif"}

TOO_COARSE = (
    "a position is too coarse to give a distance: write a grid reference with 6 figures or more, "
    "degrees with 3 decimals or more, or give the distance"
)


class Service:
    """Embed, tag and score; each takes a body and its content type, and returns JSON.

    Bodies are parsed and photos decoded in threads, as many as there are processors; the encoder
    has as many of its own as it has streams. Work that would begin after its deadline, on the
    monotonic clock, is refused.
    """

    def __init__(self, model: Model, loader: Executor, limits: Limits, metrics: Metrics) -> None:
        """Prepare for use in the running event loop; the model may still be loading."""
        self.model = model
        self.admission = Admission(limits)
        self.metrics = metrics
        self._decoder = Decoder(limits.decoding_bytes)
        self._threads = ThreadPoolExecutor(usable_cpus(), "decode")
        self._batcher = Batcher(model, loader, limits, metrics)
        admission, show = self.admission, metrics.show
        show("waiting_requests", "Accepted and not finished.", lambda: admission.waiting)
        show("waiting_seconds", "Of accepted work.", lambda: admission.expected_seconds)
        show("model_loaded", "1 while the encoder is in memory.", lambda: model.is_loaded)

    def close(self) -> None:
        """End the threads, which have nothing left to do."""
        self._threads.shutdown()

    async def image(self, body: bytearray, _: str, deadline: float) -> bytes:
        with self.admission.accepted(len(body)):

            def decode() -> ServedPhoto:
                return self._decoder.decode(image_payload(body), deadline)

            return msgspec.json.encode((await self._embedding(decode, deadline))[1].tolist())

    async def tag(
        self, body: bytearray, content_type: str, deadline: float, with_embedding: bool
    ) -> bytes:
        with self.admission.accepted(len(body)):
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
                (prediction,) = self.model.head.predict(embedding[None], [best.distance])
            answer = prediction.as_dict()
            source = best.distance.source
            answer["distance"] |= {
                "source": SOURCES.get(source, source.value),
                "cross_grid": answer["cross_grid"],
            }
            answer["warnings"] = _warnings(photo, best)
            if with_embedding:
                answer["embedding"] = embedding.tolist()
            return msgspec.json.encode(msgspec.convert(answer, TagAnswer))

    async def score(self, body: bytearray, content_type: str, deadline: float) -> bytes:
        job = partial(self._score, body, content_type, deadline)
        with self.admission.accepted(len(body)), self.metrics.stage("score"):
            return await run_in_thread(self._threads, job)

    async def _embedding(
        self, decode: Callable[[], ServedPhoto], deadline: float
    ) -> tuple[ServedPhoto, NDArray[np.float32]]:
        def work() -> tuple[ServedPhoto, float]:
            began = monotonic()
            return decode(), monotonic() - began

        self._batcher.expected += 1
        try:
            with self.metrics.stage("decode"):
                photo, seconds = await run_in_thread(self._threads, work)
        finally:
            self._batcher.expected -= 1
        with self.metrics.stage("embed"):  # a large photo has worked meanwhile, not waited
            return photo, await self._batcher.embedding(photo.pixels, deadline + seconds)

    def _score(self, body: bytearray, content_type: str, deadline: float) -> bytes:
        if monotonic() > deadline:
            raise too_late()
        predictions = self.model.head.predict(*score_payload(body, content_type))
        answer = ScoreAnswer(
            classes=list(CLASSES),
            probabilities=[
                [round(p, 7) for p in one.probabilities.values()] for one in predictions
            ],
            tags=[list(one.tags) for one in predictions],
            certain=[list(one.certain) for one in predictions],
            low_confidence=[one.low_confidence for one in predictions],
            model=self.model.bundle.label,
            stand_in=self.model.bundle.is_stand_in,
        )
        return msgspec.json.encode(answer)


def _warnings(photo: ServedPhoto, best: BestDistance) -> list[str]:
    warnings = ["the file is cut off"] if photo.truncated else []
    if best.distance.source is not DistanceSource.STATED:
        warnings += photo.exif.problems
    warnings += [best.problem] if best.problem else []
    if best.distance.basis is DistanceBasis.TOO_COARSE:
        warnings.append(TOO_COARSE)
    return [as_utf_8(text) for text in warnings]
