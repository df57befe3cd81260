import copy
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from geograph_types import CLASSES, Distance, Grid, GridPosition, TypeTagger
from geograph_types.distance.distance import UNKNOWN_BUCKET
from geograph_types.errors import (
    BundleError,
    DeviceError,
    EmbeddingError,
    InputError,
    PhotoError,
)
from geograph_types_trainer.checkpoint.read import read_checkpoint
from geograph_types_trainer.head import TypeHead


@pytest.fixture(scope="module")
def tagger(bundle: Path) -> TypeTagger:
    return TypeTagger(bundle, threads=2)


VECTORS = np.random.default_rng(4).normal(0, 0.45, (46, 512)).astype(np.float32)
VECTORS[:, 92] = -6.3
NORMALISED = VECTORS[:1] / np.linalg.norm(VECTORS[0])


def test_a_path_bytes_and_an_image_are_tagged_alike(tagger: TypeTagger, photo: Path) -> None:
    by_path = tagger.tag(photo, 120)
    assert by_path == tagger.tag(str(photo), Distance.from_metres(120))
    assert by_path == tagger.tag(photo.read_bytes(), 120.0)
    with Image.open(photo) as image:
        assert by_path == tagger.tag(image, 120)
    assert list(by_path.probabilities) == list(CLASSES)
    assert all(0 < value < 1 for value in by_path.probabilities.values())


def test_a_prediction_says_what_it_rests_on(tagger: TypeTagger, photo: Path) -> None:
    unknown = tagger.tag(photo)
    assert unknown.distance == Distance.unknown()
    camera = GridPosition(Grid.OSGB36, 400_100, 300_100)
    subject = GridPosition(Grid.OSGB36, 400_400, 300_500)
    between = tagger.tag(photo, Distance.between(camera, subject))
    expected = {"metres": 500.0, "bucket": 9, "basis": "positions", "source": "given"}
    assert between.as_dict()["distance"] == expected
    assert between.model == tagger.bundle.label
    assert between.stand_in is True


def test_a_prediction_is_read_only_and_a_copy_equals_it(tagger: TypeTagger, photo: Path) -> None:
    prediction = tagger.tag(photo)
    with pytest.raises(TypeError):
        prediction.probabilities["Inside"] = 1.0  # type: ignore[index]
    with pytest.raises(AttributeError):
        prediction.probabilities = {}  # type: ignore[misc]
    for other in (copy.deepcopy(prediction), pickle.loads(pickle.dumps(prediction))):
        assert other == prediction
        assert json.loads(json.dumps(other.as_dict())) == prediction.as_dict()


def test_tag_is_embed_then_score(tagger: TypeTagger, photo: Path) -> None:
    embedding = tagger.embed([photo])
    assert (embedding.dtype, embedding.shape) == (np.float32, (1, 512))
    scored = tagger.score(embedding, [16])[0]
    assert list(tagger.tag(photo, 16).probabilities.values()) == scored.tolist()


def test_embeddings_do_not_depend_on_the_company(two_layer_bundle: Path, scenes: Path) -> None:
    tagger = TypeTagger(two_layer_bundle)
    photos = sorted(scenes.glob("*.jpg"))[:11]
    together = tagger.embed(photos)
    for photo, vector in zip(photos, together, strict=True):
        assert np.abs(tagger.embed([photo])[0] - vector).max() <= 1e-5
    assert tagger.embed([]).shape == (0, 512)


def test_scores_are_torchs(tagger: TypeTagger, checkpoint: Path) -> None:
    buckets = np.arange(46) % 23
    metres = np.array([np.nan if b == UNKNOWN_BUCKET else (2.0**b) / 2 * (b > 0) for b in buckets])
    head = TypeHead.from_weights(read_checkpoint(checkpoint).weights)
    expected = head.probabilities(torch.from_numpy(VECTORS), torch.from_numpy(buckets)).numpy()
    for distances in (metres, metres.tolist(), [Distance.from_metres(m) for m in metres]):
        assert np.abs(tagger.score(VECTORS, distances) - expected).max() <= 1e-6
    assert np.abs(tagger.score_buckets(VECTORS, buckets) - expected).max() <= 1e-6
    unknown = tagger.score(VECTORS[:2], [Distance.unknown(), 16])
    assert np.array_equal(tagger.score(VECTORS[:2], [None, 16]), unknown)


REFUSED: list[tuple[type[Exception], str, Callable[[Any], object]]] = [
    (InputError, "46 embeddings but", lambda t: t.score(VECTORS, [1.0])),
    (InputError, "put it in a list", lambda t: t.score(VECTORS[0], 16)),
    (EmbeddingError, "L2-normalised", lambda t: t.score(NORMALISED, [None])),
    (InputError, "0 to 22", lambda t: t.score_buckets(VECTORS[:1], np.array([-1]))),
    (InputError, "0 to 22", lambda t: t.score_buckets(VECTORS[:1], np.array([23]))),
    (InputError, "whole numbers", lambda t: t.score_buckets(VECTORS[:1], np.array([1.5]))),
    (InputError, "in a list", lambda t: t.embed("photo.jpg")),
    (InputError, r"not uint8 \[N, 224, 224, 3\]", lambda t: t.embed_pixels(np.zeros((1, 3)))),
    (PhotoError, "not_an_image", lambda t: t.tag(b"no photo")),
    (InputError, "a path, bytes or a Pillow image", lambda t: t.tag(None)),
    (InputError, "a path, bytes or a Pillow image", lambda t: t.tag(7)),
    (InputError, "a path, bytes or a Pillow image", lambda t: t.tag(["a.jpg"])),
    (InputError, "a path, bytes or a Pillow image", lambda t: t.tag(np.zeros((8, 8, 3)))),
]


@pytest.mark.parametrize(("error", "words", "act"), REFUSED)
def test_what_does_not_fit_is_refused(
    tagger: TypeTagger, error: type[Exception], words: str, act: Callable[[TypeTagger], object]
) -> None:
    with pytest.raises(error, match=words):
        act(tagger)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"precision": "foo"}, "not one of auto, fp32, fp16, int8"),
        ({"precision": "int8"}, "has no int8 encoder"),
        ({"device": "tpu"}, "not one of auto, cpu, cuda"),
        ({"device": "cuda"}, "geograph-types"),
        ({"threads": 0}, "give 1 or more"),
    ],
)
def test_settings_are_checked(
    bundle: Path, photo: Path, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises((InputError, BundleError, DeviceError), match=words):
        TypeTagger(bundle, **settings).tag(photo)
    with pytest.raises(InputError, match="not NoneType"):
        TypeTagger(None)  # type: ignore[arg-type]
    automatic = TypeTagger(bundle, device="auto")
    assert (automatic.device, automatic.precision) == ("cpu", "fp32")
