"""Run a model in OpenVINO's CPU plugin."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from contenders.interface import Encode

if TYPE_CHECKING:
    import openvino


def openvino_encode(path: Path, precision: Literal["f32", "bf16"], threads: int) -> Encode:
    """Compile a model for low latency, anew for each batch size, which is faster than a free one.

    Args:
        path: an ONNX file, or OpenVINO's XML with its weights beside it.
        precision: the hint for what is not quantised.
        threads: of one run.
    """
    import openvino

    core = openvino.Core()
    options = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": threads,
    }

    @cache
    def compiled(batch: int) -> "openvino.CompiledModel":
        model = core.read_model(path)
        model.reshape([batch, 224, 224, 3])
        return core.compile_model(model, "CPU", options)

    def encode(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        embeds: NDArray[np.float32] = compiled(len(pixels))(pixels)[0]
        return embeds

    return encode
