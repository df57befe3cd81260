"""The traced tower in OpenVINO, bf16."""

from contenders.interface import Encode, Given, LeftOut, Reason, unless_installed
from contenders.openvino_file import openvino_encode
from contenders.traced_file import traced_file

NAME = "OpenVINO, bf16"
PRECISION = "bf16"


def left_out(given: Given) -> LeftOut | None:
    missing = unless_installed("open_clip", "openvino")
    if missing is not None:
        return missing
    import openvino

    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        return LeftOut(Reason.NO_BF16, "OpenVINO would compute in fp32")
    return None


def prepare(given: Given, threads: int) -> Encode:
    return openvino_encode(traced_file(given), "bf16", threads)
