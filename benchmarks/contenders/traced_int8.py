"""The traced tower in onnxruntime after its `quantize_dynamic`, with default settings.

Its scales are taken over the whole batch, so a photo's vector depends on its neighbours.
"""

from contenders.interface import Encode, Given, LeftOut, unless_installed
from contenders.traced_file import onnx_encode, traced_file

NAME = "traced ONNX, dynamic int8"
PRECISION = "int8"


def left_out(given: Given) -> LeftOut | None:
    return unless_installed("open_clip", "onnx", "onnxruntime")


def prepare(given: Given, threads: int) -> Encode:
    path = given.work / "traced.int8.onnx"
    if not path.exists():
        from onnxruntime.quantization import quantize_dynamic

        unfinished = path.with_suffix(".unfinished")
        quantize_dynamic(traced_file(given), unfinished)
        unfinished.rename(path)
    return onnx_encode(path, threads)
