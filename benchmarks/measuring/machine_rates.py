"""What this machine can do: matrix products through onnxruntime, and copying memory."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from geograph_types.manifest import TensorSpec
from geograph_types_export.architecture import HIDDEN, TOKENS, WIDTH
from geograph_types_export.graphs.builder import MICROSOFT, GraphBuilder, serialise

SHAPES: Final = ((WIDTH, HIDDEN), (HIDDEN, WIDTH), (WIDTH, 3 * WIDTH))
"""Inputs and outputs of the products in which the encoder spends its time."""
RUNS: Final = 24
COPIED_BYTES: Final = 256_000_000
"""Far beyond any cache."""
SCALE: Final = 1 / 128

Feed = dict[str, NDArray[Any]]


class MachineRates(msgspec.Struct, frozen=True):
    """Rates of this machine, the highest of the encoder's shapes."""

    threads: int  # at once
    batch: int  # photos whose tokens are the rows of the products
    products: dict[str, float]  # multiply-and-add steps per second, by precision
    copied: float  # bytes per second, read and written


def measure_rates(threads: int, batch: int) -> MachineRates:
    """Measure products of the encoder's shapes, and copying; a few seconds."""
    rows = TOKENS * batch
    rates = {
        precision: max(
            rows * inputs * outputs / _seconds(*make(inputs, outputs, rows), threads)
            for inputs, outputs in SHAPES
        )
        for precision, make in {"fp32": _float_product, "int8": _integer_product}.items()
    }
    return MachineRates(threads, batch, rates, _copied(threads))


def _float_product(inputs: int, outputs: int, rows: int) -> tuple[bytes, Feed]:
    rng = np.random.default_rng(0)
    graph = GraphBuilder("product")
    weight = graph.constant("weight", rng.normal(size=(inputs, outputs)).astype(np.float32))
    graph.node("MatMul", "product", ["rows", weight], outputs=["result"])
    feed: Feed = {"rows": rng.normal(size=(rows, inputs)).astype(np.float32)}
    return _model(graph, "float32", inputs, outputs), feed


def _integer_product(inputs: int, outputs: int, rows: int) -> tuple[bytes, Feed]:
    """Make the operator that the int8 encoder has: steps in, float32 out."""
    rng = np.random.default_rng(0)
    graph = GraphBuilder("product")
    constants = (
        ("scale", np.array(SCALE, np.float32)),
        ("zero", np.array(128, np.uint8)),
        ("weight", rng.integers(-127, 128, (inputs, outputs)).astype(np.int8)),
        ("weight_scale", np.full(outputs, SCALE, np.float32)),
        ("weight_zero", np.zeros(outputs, np.int8)),
        ("bias", np.zeros(outputs, np.int32)),
    )
    named = [graph.constant(name, values) for name, values in constants]
    graph.node("QGemm", "product", ["rows", *named], outputs=["result"], domain=MICROSOFT)
    feed: Feed = {"rows": rng.integers(0, 256, (rows, inputs)).astype(np.uint8)}
    return _model(graph, "uint8", inputs, outputs), feed


def _model(graph: GraphBuilder, dtype: str, inputs: int, outputs: int) -> bytes:
    given = TensorSpec("rows", dtype, ("batch", inputs))
    return serialise(graph.model([given], [TensorSpec("result", "float32", ("batch", outputs))]))


def _seconds(model: bytes, feed: Feed, threads: int) -> float:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return _least(lambda: session.run(None, feed))


def _copied(threads: int) -> float:
    """Copy a part of an array in each thread; numpy does it outside the interpreter's lock."""
    source = np.ones(COPIED_BYTES // 8)
    target = np.zeros_like(source)
    parts = list(zip(np.array_split(target, threads), np.array_split(source, threads), strict=True))
    with ThreadPoolExecutor(threads) as pool:
        seconds = _least(lambda: list(pool.map(lambda part: np.copyto(*part), parts)))
    return 2 * source.nbytes / seconds


def _least(step: Callable[[], object]) -> float:
    """Return the least time of many runs: a floor is what the machine can do undisturbed."""
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return min(times)
