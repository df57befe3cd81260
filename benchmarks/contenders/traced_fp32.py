"""The traced tower in onnxruntime, float32."""

from contenders.interface import Encode, Given, LeftOut, unless_installed
from contenders.traced_file import onnx_encode, traced_file

NAME = "traced ONNX, fp32"
PRECISION = "fp32"


def left_out(given: Given) -> LeftOut | None:
    return unless_installed("open_clip", "onnx", "onnxruntime")


def prepare(given: Given, threads: int) -> Encode:
    return onnx_encode(traced_file(given), threads)
