import numpy as np
import pytest

from geograph_types.manifest import TensorSpec
from geograph_types.session import Session
from geograph_types_export.graphs.builder import GraphBuilder, serialise
from geograph_types_export.graphs.encoder import _product
from geograph_types_export.graphs.tower import Linear
from geograph_types_export.int8.gate import compare
from geograph_types_export.int8.product import WEIGHT_LIMIT, Fitted, fit_product
from geograph_types_export.int8.rounding import round_weights

INPUTS, OUTPUTS = 128, 40


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    """Correlated inputs, three channels of which are forty times larger."""
    rng = np.random.default_rng(1)
    mixed = rng.normal(0, 1, (600, 24)) @ rng.normal(0, 1, (24, INPUTS))
    mixed += rng.normal(0, 1, (600, INPUTS))
    mixed[:, 5:8] *= 40
    return mixed.astype(np.float32)


@pytest.fixture(scope="module")
def linear() -> Linear:
    rng = np.random.default_rng(2)
    weight = rng.normal(0, 0.1, (INPUTS, OUTPUTS)).astype(np.float32)
    weight[5:8] /= 20
    return Linear(weight, rng.normal(0, 1, OUTPUTS).astype(np.float32))


def exact(linear: Linear, rows: np.ndarray) -> np.ndarray:
    return rows @ linear.weight + linear.bias


def run(fitted: Fitted, rows: np.ndarray) -> np.ndarray:
    graph = GraphBuilder("product")
    result = _product(graph, "layer", "rows", fitted.product, 1)
    graph.node("Identity", "result", [result], outputs=["out"])
    spec = TensorSpec("rows", "float32", ("batch", 1, INPUTS))
    out = TensorSpec("out", "float32", ("batch", 1, OUTPUTS))
    session = Session(serialise(graph.model([spec], [out])), "cpu", threads=1)
    return session.run("out", rows=(rows / fitted.factors)[:, None])[:, 0]


def test_a_quantised_product_comes_near_on_unseen_rows(linear: Linear, rows: np.ndarray) -> None:
    fitted = fit_product(linear, rows[:400])
    expected = exact(linear, rows[400:])
    error = run(fitted, rows[400:]) - expected
    assert np.sqrt((error**2).mean() / expected.var(axis=0).mean()) < 0.02


def test_no_pair_of_products_leaves_16_bits(linear: Linear, rows: np.ndarray) -> None:
    fitted = fit_product(linear, rows)
    assert np.abs(fitted.product.weight.astype(int)).max() == WEIGHT_LIMIT
    assert 2 * 255 * WEIGHT_LIMIT <= 2**15 - 1


def test_a_row_is_the_same_in_every_batch(linear: Linear, rows: np.ndarray) -> None:
    fitted = fit_product(linear, rows)
    together = run(fitted, rows)
    for part in (slice(0, 1), slice(3, 10), slice(100, 164)):
        assert np.array_equal(run(fitted, rows[part]), together[part])


def test_rounding_for_the_result_beats_the_nearest(linear: Linear, rows: np.ndarray) -> None:
    weight = np.asarray(linear.weight, np.float32)
    scale = np.abs(weight).max(axis=0) / np.float32(WEIGHT_LIMIT)
    expected = rows[400:] @ weight
    nearest = rows[400:] @ (np.rint(weight / scale) * scale)
    chosen = rows[400:] @ (round_weights(weight, scale, WEIGHT_LIMIT, rows[:400]) * scale)
    assert (chosen - expected).var(0).mean() < 0.5 * (nearest - expected).var(0).mean()


def test_the_gate_sees_what_a_plain_cosine_hides() -> None:
    rng = np.random.default_rng(3)
    common = rng.normal(0, 1, 512)
    expected = (common + 0.05 * rng.normal(0, 1, (100, 512))).astype(np.float32)
    embeds = (expected + 0.01 * rng.normal(0, 1, expected.shape)).astype(np.float32)
    figures = compare(embeds, expected, None)
    assert figures.plain_cosine > 0.9998
    assert figures.mean_cosine < 0.985
    assert not figures.passes
    assert compare(expected, expected, None).passes
    assert not compare(np.full_like(expected, np.nan), expected, None).passes


def test_the_gate_counts_flipped_tags() -> None:
    expected = np.random.default_rng(4).normal(0, 1, (50, 512)).astype(np.float32)
    embeds = expected.copy()
    embeds[:, :7] *= np.where(np.arange(50) < 5, -1, 1)[:, None]
    figures = compare(embeds, expected, lambda vectors: vectors[:, :7] > 0)
    assert figures.flipped_tags == pytest.approx(0.1)
    assert not figures.passes


@pytest.mark.parametrize("largest", [0.0, 1e-10, 1e-8, 1e-7, 1e-6, 1e-4])
def test_faded_outputs_keep_their_bias(linear: Linear, rows: np.ndarray, largest: float) -> None:
    weight = linear.weight.copy()
    weight[:, 3] = largest * np.sign(weight[:, 3])
    faded = Linear(weight, np.ones(OUTPUTS, np.float32))
    found = run(fit_product(faded, rows), rows)
    np.testing.assert_allclose(found[:, 3], exact(faded, rows)[:, 3], atol=0.01)
