"""The Python interface to a bundle."""

import copy
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from geograph_types import CLASSES, Distance, DistanceBasis, Grid, GridPosition, TypeTagger
from geograph_types.distance.distance import UNKNOWN_BUCKET
from geograph_types.errors import (
    BundleError,
    DeviceError,
    EmbeddingError,
    InputError,
    PhotoError,
    PhotoFault,
)
from geograph_types_trainer.checkpoint.read import read_checkpoint
from geograph_types_trainer.head import TypeHead


@pytest.fixture(scope="module")
def tagger(bundle: Path) -> TypeTagger:
    return TypeTagger(bundle, threads=2)


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    values = np.random.default_rng(4).normal(0, 0.45, (46, 512)).astype(np.float32)
    values[:, 92] = -6.3
    return values


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
    between = tagger.tag(
        photo, Distance.between(camera, GridPosition(Grid.OSGB36, 400_400, 300_500))
    )
    assert between.distance.basis is DistanceBasis.POSITIONS
    assert between.as_dict()["distance"] == {
        "metres": 500.0,
        "bucket": 9,
        "basis": "positions",
        "source": "given",
    }
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


def test_scores_are_those_of_the_head_in_torch(
    tagger: TypeTagger, checkpoint: Path, vectors: np.ndarray
) -> None:
    buckets = np.arange(46) % 23
    metres = np.array([np.nan if b == UNKNOWN_BUCKET else (2.0**b) / 2 * (b > 0) for b in buckets])
    head = TypeHead.from_weights(read_checkpoint(checkpoint).weights)
    expected = head.probabilities(torch.from_numpy(vectors), torch.from_numpy(buckets)).numpy()
    for distances in (metres, metres.tolist(), [Distance.from_metres(m) for m in metres]):
        assert np.abs(tagger.score(vectors, distances) - expected).max() <= 1e-6
    assert np.abs(tagger.score_buckets(vectors, buckets) - expected).max() <= 1e-6


def test_none_is_an_unknown_distance(tagger: TypeTagger, vectors: np.ndarray) -> None:
    expected = tagger.score(vectors[:2], [Distance.unknown(), 16])
    assert np.array_equal(tagger.score(vectors[:2], [None, 16]), expected)


def test_what_does_not_fit_is_refused(tagger: TypeTagger, vectors: np.ndarray) -> None:
    with pytest.raises(InputError, match="46 embeddings but"):
        tagger.score(vectors, [1.0])
    with pytest.raises(EmbeddingError, match="L2-normalised"):
        tagger.score(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), [None] * 46)
    with pytest.raises(InputError, match="in a list"):
        tagger.embed("photo.jpg")
    with pytest.raises(InputError, match=r"not uint8 \[N, 224, 224, 3\]"):
        tagger.embed_pixels(np.zeros((1, 3, 224, 224), np.float32))  # type: ignore[arg-type]


@pytest.mark.parametrize("bucket", [-1, 23])
def test_buckets_that_do_not_exist_are_refused(
    tagger: TypeTagger, vectors: np.ndarray, bucket: int
) -> None:
    with pytest.raises(InputError, match="0 to 22"):
        tagger.score_buckets(vectors[:1], np.array([bucket]))


def test_a_photo_that_cannot_be_used_says_why(tagger: TypeTagger) -> None:
    with pytest.raises(PhotoError) as caught:
        tagger.tag(b"no photo")
    assert caught.value.fault is PhotoFault.NOT_AN_IMAGE


def test_cuda_is_refused_where_there_is_none(bundle: Path) -> None:
    with pytest.raises(DeviceError, match="geograph-types"):
        TypeTagger(bundle, device="cuda")
    assert TypeTagger(bundle, device="auto").device == "cpu"


@pytest.mark.parametrize("photo_of_another_type", [None, 7, ["a.jpg"], np.zeros((8, 8, 3))])
def test_only_photos_are_photos(tagger: TypeTagger, photo_of_another_type: object) -> None:
    with pytest.raises(InputError, match="a path, bytes or a Pillow image"):
        tagger.tag(photo_of_another_type)  # type: ignore[arg-type]


def test_arguments_are_checked(bundle: Path, photo: Path, vectors: np.ndarray) -> None:
    with pytest.raises(InputError, match="not one of auto, fp32, fp16, int8"):
        TypeTagger(bundle, precision="foo")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="put it in a list"):
        TypeTagger(bundle).score(vectors[0], 16)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="whole numbers"):
        TypeTagger(bundle).score_buckets(vectors[:1], np.array([1.5]))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="not NoneType"):
        TypeTagger(None)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="not one of auto, cpu, cuda"):
        TypeTagger(bundle, device="tpu")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="give 1 or more"):
        TypeTagger(bundle, threads=0).tag(photo)
    with pytest.raises(BundleError, match="has no int8 encoder"):
        TypeTagger(bundle, precision="int8").tag(photo)


def test_precision_follows_what_the_bundle_has(tagger: TypeTagger) -> None:
    assert tagger.precision == "fp32"
