"""Measure how many photos per second this machine embeds and tags, and the size of results."""

import math
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from geograph_types.archive.items import InputItem
from geograph_types.archive.photo_table import photo_table
from geograph_types.bundle import Bundle
from geograph_types.decoding.pool import DecoderPool
from geograph_types.embedding import EMBEDDING_DIMENSION
from geograph_types.manifest import Precision
from geograph_types.photos.embed import EmbeddedPhoto, embed_photos
from geograph_types.photos.result import PhotoResult
from geograph_types.photos.tag import tag_photos
from geograph_types.system.cpu import usable_cpus
from geograph_types.tagger import ENCODER_BATCH, TypeTagger

SIZE: Final = (640, 480)
"""Width and height in pixels."""
COARSE: Final = (20, 15)
GRAIN: Final = 5.0
"""Standard deviation of the noise that gives a drawn photo the file size of a real one."""
QUALITY: Final = 87


def draw_sample(folder: Path, count: int) -> list[Path]:
    """Draw JPEG files of 640x480 pixels and about 100 kB: soft shapes with a camera's grain."""
    rng = np.random.default_rng(0)
    paths = []
    for number in range(count):
        shapes = Image.fromarray(rng.integers(0, 256, (*COARSE[::-1], 3), dtype=np.uint8))
        soft = np.asarray(shapes.resize(SIZE, Image.Resampling.BICUBIC), np.float32)
        grainy = soft + rng.normal(0, GRAIN, soft.shape).astype(np.float32)
        path = folder / f"{number:04}.jpg"
        Image.fromarray(grainy.clip(0, 255).astype(np.uint8)).save(path, quality=QUALITY)
        paths.append(path)
    return paths


GPU_NAME: Final = "RTX 3090, amp"
GPU_ENCODER_RATE: Final = 4601.5
"""Images per second of the encoder alone, at batches of 1024."""
GPU_SOURCE: Final = (
    "huggingface/pytorch-image-models, results/benchmark-infer-amp-nchw-pt240-cu124-rtx3090.csv, "
    "vit_base_patch32_clip_quickgelu_224"
)

EMBEDDING_BYTES: Final = {"float16": 2 * EMBEDDING_DIMENSION, "float32": 4 * EMBEDDING_DIMENSION}
"""Of one photo."""

HOUR: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """One way to go through an archive."""

    name: str
    photos: int  # in the archive
    rate: float  # photos per second of one machine
    cores: int  # of that machine

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


SAMPLE: Final = 64
RESULT_ROWS: Final = 8192


@dataclass(frozen=True, slots=True)
class Measured:
    """A rate of this machine."""

    photos: int
    seconds: float

    @property
    def rate(self) -> float:
        """Photos per second."""
        return self.photos / self.seconds


def measure_rate(bundle: Bundle, precision: Precision, seconds: float) -> Measured:
    """Embed and tag drawn photos, from files to tags, with all processors.

    Loading and the first photos are not counted.
    """
    tagger = TypeTagger.for_many(bundle, "cpu", precision)
    bundle.find("head")
    with tempfile.TemporaryDirectory(prefix="geograph-types-") as folder:
        paths = draw_sample(Path(folder), SAMPLE)
        with closing(embed_photos(tagger, cycle(paths))) as embedded:
            tagged = tag_photos(tagger, embedded, {})
            return _count(lambda: next(tagged), seconds, 4 * ENCODER_BATCH)


def measure_decoding(seconds: float) -> Measured:
    """Decode and prepare drawn photos with all processors; nothing is embedded."""
    with tempfile.TemporaryDirectory(prefix="geograph-types-") as folder:
        paths = cycle(draw_sample(Path(folder), SAMPLE))
        with closing(DecoderPool(usable_cpus())) as decoders:
            waiting = [decoders.submit(next(paths)) for _ in range(2 * usable_cpus())]

            def one() -> None:
                waiting.append(decoders.submit(next(paths)))
                waiting.pop(0).result()

            return _count(one, seconds, 4 * usable_cpus())


def _count(one: Callable[[], object], seconds: float, first: int) -> Measured:
    for _ in range(first):
        one()
    started = time.perf_counter()
    photos = 0
    while (passed := time.perf_counter() - started) < seconds or not photos:
        one()
        photos += 1
    return Measured(photos, passed)


def measure_result_bytes(bundle: Bundle) -> float:
    """Write results of random vectors as a run does; return bytes per photo, less embeddings."""
    from geograph_types.files.parquet_table import new_table

    vectors = np.random.default_rng(0).normal(0, 0.5, (RESULT_ROWS, EMBEDDING_DIMENSION))
    predictions = TypeTagger(bundle, device="cpu").predict(vectors, [None] * RESULT_ROWS)
    items = [
        InputItem(b"%02d/%02d/%08d.jpg" % (n % 50, n % 9, n), 1, 1) for n in range(len(vectors))
    ]
    paths = [Path(item.name) for item in items]
    results = [PhotoResult(path, one, None) for path, one in zip(paths, predictions, strict=True)]
    embedded = [EmbeddedPhoto(path, None, None) for path in paths]
    with tempfile.TemporaryDirectory(prefix="geograph-types-") as folder:
        file = Path(folder) / "results.parquet"
        with new_table(file) as table:
            table.write(photo_table(items, embedded, results, "none"))
        return file.stat().st_size / RESULT_ROWS
