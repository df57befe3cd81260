"""Measure how many photos per second this machine embeds and tags, and the size of results."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
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

SAMPLE: Final = 64
RESULT_ROWS: Final = 8192


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


def measure_tagging(bundle: Bundle, precision: Precision, seconds: float) -> float:
    """Tag drawn photos, from files to tags, with all processors; return photos per second.

    Loading and the first photos are not counted.
    """
    tagger = TypeTagger.for_many(bundle, "cpu", precision)
    bundle.find("head")
    with tempfile.TemporaryDirectory(prefix="geograph-types-") as folder:
        paths = draw_sample(Path(folder), SAMPLE)
        with closing(embed_photos(tagger, cycle(paths))) as embedded:
            return _rate(tag_photos(tagger, embedded, {}), seconds, 4 * ENCODER_BATCH)


def measure_decoding(seconds: float) -> float:
    """Decode drawn photos with all processors, without embedding; return photos per second."""
    with (
        tempfile.TemporaryDirectory(prefix="geograph-types-") as folder,
        closing(DecoderPool(usable_cpus())) as decoders,
    ):
        paths = cycle(draw_sample(Path(folder), SAMPLE))
        waiting = [decoders.submit(next(paths)) for _ in range(2 * usable_cpus())]

        def decoded() -> Iterator[object]:
            for path in paths:
                waiting.append(decoders.submit(path))
                yield waiting.pop(0).result()

        return _rate(decoded(), seconds, 4 * usable_cpus())


def _rate(photos: Iterator[object], seconds: float, first: int) -> float:
    for _ in range(first):
        next(photos)
    started = time.perf_counter()
    count = 0
    while (passed := time.perf_counter() - started) < seconds or not count:
        next(photos)
        count += 1
    return count / passed


def measure_result_bytes(bundle: Bundle) -> float:
    """Write results of random vectors as a run does; return bytes per photo less embeddings."""
    from geograph_types.files.parquet_table import new_table

    vectors = np.random.default_rng(0).normal(0, 0.5, (RESULT_ROWS, EMBEDDING_DIMENSION))
    predictions = TypeTagger(bundle, device="cpu").predict(vectors, [None] * RESULT_ROWS)
    names = [b"%02d/%02d/%08d.jpg" % (n % 50, n % 9, n) for n in range(RESULT_ROWS)]
    items = [InputItem(name, 1, 1) for name in names]
    paths = [Path(item.name) for item in items]
    results = [PhotoResult(path, one, None) for path, one in zip(paths, predictions, strict=True)]
    embedded = [EmbeddedPhoto(path, None, None) for path in paths]
    with tempfile.TemporaryDirectory(prefix="geograph-types-") as folder:
        file = Path(folder) / "results.parquet"
        with new_table(file) as table:
            table.write(photo_table(items, embedded, results, "none"))
        return file.stat().st_size / RESULT_ROWS
