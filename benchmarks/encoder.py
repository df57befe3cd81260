"""How fast the encoder runs here, against the other ways to run it, in one alternating run.

    python benchmarks/encoder.py BUNDLE [--weights random:0] [--threads 2] [--rounds 15]

Contenders: open_clip in torch, that tower traced to ONNX, every encoder of the bundle, and
OpenVINO with the traced model where it is installed. Each round runs every contender once, in a
new order, so that whatever else the machine does falls on all alike. Figures are medians.
"""

import argparse
import io
import random
import statistics
import time
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import torch
from numpy.typing import NDArray

from geograph_types.bundle import Bundle
from geograph_types.preprocess import normalise
from geograph_types.session import Session
from geograph_types_export.reference import ReferenceTower
from geograph_types_export.verify import check_photos
from geograph_types_export.weights import EncoderWeights, load_weights

Contender = Callable[[NDArray[np.uint8]], object]
BASELINE = "open_clip, torch fp32"


def traced(weights: EncoderWeights) -> bytes:
    """Export open_clip's tower the usual way, by tracing it."""
    tower = ReferenceTower(weights.state).module
    file = io.BytesIO()
    torch.onnx.export(
        tower,
        (torch.zeros(1, 3, 224, 224),),
        file,
        input_names=["pixels"],
        output_names=["image_embeds"],
        dynamic_axes={"pixels": {0: "batch"}, "image_embeds": {0: "batch"}},
        dynamo=False,
    )
    return file.getvalue()


def contenders(bundle: Bundle, weights: EncoderWeights, threads: int) -> dict[str, Contender]:
    torch.set_num_threads(threads)
    plain = traced(weights)
    usual = Session(plain, "cpu", threads)
    found: dict[str, Contender] = {
        BASELINE: ReferenceTower(weights.state).embed,
        "traced ONNX fp32": lambda p: usual.run("image_embeds", pixels=normalise(p)),
    }
    for precision in bundle.manifest.precisions:
        session = Session(bundle.read(bundle.find("encoder", precision)), "cpu", threads)
        found[f"bundle {precision}"] = lambda p, s=session: s.run("image_embeds", pixels=p)
    if find_spec("openvino") is not None:
        found["OpenVINO fp32"] = openvino(plain, threads)
    return found


def openvino(model: bytes, threads: int) -> Contender:
    import openvino as ov

    options = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = ov.Core().compile_model(ov.Core().read_model(io.BytesIO(model)), "CPU", options)
    return lambda pixels: compiled(normalise(pixels))


def measure(
    found: dict[str, Contender], pixels: NDArray[np.uint8], rounds: int
) -> dict[str, float]:
    """Give milliseconds an image, the median of the rounds."""
    times: dict[str, list[float]] = {name: [] for name in found}
    order = list(found)
    for name in order:
        found[name](pixels)
    for _ in range(rounds):
        random.shuffle(order)
        for name in order:
            start = time.perf_counter()
            found[name](pixels)
            times[name].append(time.perf_counter() - start)
    return {name: 1e3 * statistics.median(times[name]) / len(pixels) for name in found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle")
    parser.add_argument("--weights", default="random:0")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    bundle = Bundle.open(options.bundle)
    found = contenders(bundle, load_weights(options.weights), options.threads)
    for batch in (1, 8):
        results = measure(found, check_photos()[:batch], options.rounds)
        print(f"batch {batch}, {options.threads} threads")
        for name, value in sorted(results.items(), key=lambda item: item[1]):
            print(f"  {name:24} {value:8.1f} ms an image  {results[BASELINE] / value:5.2f} x")


if __name__ == "__main__":
    main()
