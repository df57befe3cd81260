"""open_clip's tower as torch's exporter writes it, in a file that several contenders use."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from contenders.interface import Encode, Given
from contenders.pixel_tower import load_tower

__all__ = ["onnx_encode", "traced_file"]

EXAMPLE = (2, 224, 224, 3)


def traced_file(given: Given) -> Path:
    """Trace the tower, normalisation included, with the batch left free, unless it is there."""
    path = given.work / "traced.onnx"
    if path.exists():
        return path
    import torch

    unfinished = path.with_suffix(".unfinished")
    torch.onnx.export(
        load_tower(given),
        (torch.zeros(EXAMPLE, dtype=torch.uint8),),
        unfinished,
        input_names=["pixels"],
        output_names=["image_embeds"],
        dynamic_axes={"pixels": {0: "batch"}, "image_embeds": {0: "batch"}},
        dynamo=False,
    )
    return unfinished.rename(path)


def onnx_encode(path: Path, threads: int) -> Encode:
    """Run an ONNX file in onnxruntime with its default settings but for the threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def encode(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        embeds: NDArray[np.float32] = session.run(["image_embeds"], {"pixels": pixels})[0]
        return embeds

    return encode
