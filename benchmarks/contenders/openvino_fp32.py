"""The traced tower in OpenVINO, fp32."""

from contenders.interface import Encode, Given, LeftOut, unless_installed
from contenders.openvino_file import openvino_encode
from contenders.traced_file import traced_file

NAME = "OpenVINO, fp32"
PRECISION = "fp32"


def left_out(given: Given) -> LeftOut | None:
    return unless_installed("open_clip", "openvino")


def prepare(given: Given, threads: int) -> Encode:
    return openvino_encode(traced_file(given), "f32", threads)
