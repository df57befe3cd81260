import numpy as np
import pytest

from geograph_types.embedding import as_embeddings, embedding_faults, widen
from geograph_types.errors import EmbeddingError, EmbeddingFault


def raw_vectors(count: int) -> np.ndarray:
    vectors = np.random.default_rng(3).normal(0, 0.45, (count, 512)).astype(np.float32)
    vectors[:, 92] = -6.3
    return vectors


def test_raw_vectors_pass_unchanged() -> None:
    vectors = raw_vectors(5)
    assert np.array_equal(as_embeddings(vectors), vectors)
    assert as_embeddings(vectors.astype(np.float64).tolist()).dtype == np.float32
    assert as_embeddings(vectors[0]).shape == (1, 512)


@pytest.mark.parametrize("norm", [0.96, 1.0, 1.04])
def test_normalised_vectors_are_refused_and_the_message_says_why(norm: float) -> None:
    vectors = raw_vectors(4)
    vectors[2] *= norm / np.linalg.norm(vectors[2])
    with pytest.raises(EmbeddingError, match=r"L2-normalised.*raw CLIP vectors") as caught:
        as_embeddings(vectors)
    assert (caught.value.fault, caught.value.row) == (EmbeddingFault.NORMALISED, 2)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
def test_zeros_and_what_is_not_finite_are_refused(bad: float) -> None:
    vectors = raw_vectors(3)
    vectors[0] = 0
    vectors[1, 500] = bad
    expected = {0: EmbeddingFault.ZERO, 1: EmbeddingFault.NOT_FINITE}
    assert embedding_faults(vectors) == expected


def test_numbers_beyond_float32_are_refused_without_a_warning() -> None:
    vectors = raw_vectors(3).astype(np.float64)
    vectors[1, 500] = -1e39
    long = raw_vectors(3)
    long[1] = 3e38
    for values in (vectors, vectors.tolist(), long):
        with pytest.raises(EmbeddingError, match="numbers beyond float32") as caught:
            as_embeddings(values)
        assert (caught.value.fault, caught.value.row) == (EmbeddingFault.NOT_FINITE, 1)
    assert embedding_faults(widen(vectors)) == {1: EmbeddingFault.NOT_FINITE}


def test_float16_vectors_are_judged_in_float32() -> None:
    vectors = (raw_vectors(2) * 12).astype(np.float16)  # squared norm is above float16's range
    assert embedding_faults(vectors) == {}


@pytest.mark.parametrize(
    "values", [np.zeros((2, 511)), np.zeros(511), np.zeros((1, 1, 512)), "text", [["a"] * 512]]
)
def test_other_shapes_and_types_are_refused(values: object) -> None:
    with pytest.raises(EmbeddingError) as caught:
        as_embeddings(values)  # type: ignore[arg-type]
    assert caught.value.fault is EmbeddingFault.WRONG_SHAPE


def test_every_float16_widens_as_numpy_widens_it() -> None:
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    finite = every[np.isfinite(every)]
    assert np.array_equal(widen(finite).view(np.uint32), finite.astype(np.float32).view(np.uint32))
    assert np.array_equal(widen(every), every.astype(np.float32), equal_nan=True)
    assert np.array_equal(widen(finite[::2]), finite[::2].astype(np.float32))
    assert widen(finite.astype(np.float64)).dtype == np.float32
