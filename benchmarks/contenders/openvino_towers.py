"""The traced tower in OpenVINO's CPU plugin: fp32, bf16, and int8 of NNCF."""

import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from contenders.interface import Contender, Encode, Given, unless_installed
from contenders.traced_towers import traced_file

if TYPE_CHECKING:
    import openvino


def _encode(path: Path, precision: Literal["f32", "bf16"], threads: int) -> Encode:
    """Compile a model for low latency, for each batch size, which is faster than a free one."""
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


def _unless_bf16() -> str | None:
    import openvino

    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        return "no bf16 in this processor: OpenVINO would compute in fp32"
    return None


def _nncf(given: Given, threads: int) -> Encode:
    """Calibrate on the scenes that ours is calibrated on; what stays in floating point is fp32."""
    path = given.work / "nncf.xml"
    if not path.exists():
        quantise(traced_file(given), path)
    return _encode(path, "f32", threads)


def quantise(traced: Path, path: Path) -> None:
    """Write the quantised model, as NNCF's documentation shows for a transformer."""
    # NNCF reports its use over the network, unless this module cannot be imported.
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    import nncf
    import openvino

    from geograph_types_export.int8.photos import drawn_photos

    photos = [photo[None] for photo in drawn_photos().fitted]
    quantised = nncf.quantize(
        openvino.Core().read_model(traced),
        nncf.Dataset(photos),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(photos),
    )
    # The weights first: the XML is there when all is there.
    unfinished = path.with_name("unfinished.xml")
    openvino.save_model(quantised, unfinished, compress_to_fp16=False)
    unfinished.with_suffix(".bin").rename(path.with_suffix(".bin"))
    unfinished.rename(path)


FP32 = Contender(
    "OpenVINO, fp32",
    "fp32",
    lambda _: unless_installed("open_clip", "openvino"),
    lambda given, threads: _encode(traced_file(given), "f32", threads),
)
BF16 = Contender(
    "OpenVINO, bf16",
    "bf16",
    lambda _: unless_installed("open_clip", "openvino") or _unless_bf16(),
    lambda given, threads: _encode(traced_file(given), "bf16", threads),
)
INT8 = Contender(
    "OpenVINO, NNCF int8",
    "int8",
    lambda _: unless_installed("open_clip", "openvino", "nncf"),
    _nncf,
)
