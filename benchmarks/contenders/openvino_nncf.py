"""The traced tower in OpenVINO after NNCF's int8 quantisation.

It is calibrated on the scenes that our int8 is calibrated on where no photos are given.

Products that stay in floating point are computed in fp32.
"""

import sys
from pathlib import Path

from contenders.interface import Encode, Given, LeftOut, unless_installed
from contenders.openvino_file import openvino_encode
from contenders.traced_file import traced_file

NAME = "OpenVINO, NNCF int8"
PRECISION = "int8"


def left_out(given: Given) -> LeftOut | None:
    return unless_installed("open_clip", "openvino", "nncf")


def prepare(given: Given, threads: int) -> Encode:
    path = given.work / "nncf.xml"
    if not path.exists():
        quantise(traced_file(given), path)
    return openvino_encode(path, "f32", threads)


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
