"""open_clip's tower as torch's exporter writes it, in onnxruntime, and for other contenders."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from contenders.interface import Contender, Encode, Given, unless_installed
from contenders.torch_towers import load_tower

if TYPE_CHECKING:
    import torch


def traced_file(given: Given) -> Path:
    """Trace the tower, normalisation included, with the batch left free, unless it is there."""
    path = given.work / "traced.onnx"
    if not path.exists():
        import torch

        example = torch.zeros((2, 224, 224, 3), dtype=torch.uint8)
        _trace(load_tower(given), example, "pixels", path)
    return path


def traced_tower(given: Given) -> Path:
    """Trace the tower alone, which takes normalised float32 [N, 3, 224, 224], likewise."""
    path = given.work / "traced-tower.onnx"
    if not path.exists():
        import torch

        from geograph_types_export.with_torch import open_clip_tower

        state = torch.load(given.weights, weights_only=True)
        _trace(open_clip_tower(state), torch.zeros(2, 3, 224, 224), "inputs", path)
    return path


def _trace(module: "torch.nn.Module", example: "torch.Tensor", name: str, path: Path) -> None:
    import torch

    unfinished = path.with_suffix(".unfinished")
    torch.onnx.export(
        module,
        (example,),
        unfinished,
        input_names=[name],
        output_names=["image_embeds"],
        dynamic_axes={name: {0: "batch"}, "image_embeds": {0: "batch"}},
        dynamo=False,
    )
    unfinished.rename(path)


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


def _dynamic_int8(given: Given, threads: int) -> Encode:
    """Quantise with `quantize_dynamic`'s default settings.

    Its scales are taken over the whole batch, so a photo's vector depends on its neighbours.
    """
    path = given.work / "traced.int8.onnx"
    if not path.exists():
        from onnxruntime.quantization import quantize_dynamic

        unfinished = path.with_suffix(".unfinished")
        quantize_dynamic(traced_file(given), unfinished)
        unfinished.rename(path)
    return onnx_encode(path, threads)


def _left_out(_: Given) -> str | None:
    return unless_installed("open_clip", "onnx", "onnxruntime")


FP32 = Contender(
    "traced ONNX, fp32",
    "fp32",
    _left_out,
    lambda given, threads: onnx_encode(traced_file(given), threads),
)
INT8 = Contender("traced ONNX, dynamic int8", "int8", _left_out, _dynamic_int8)
