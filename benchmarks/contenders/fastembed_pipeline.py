"""fastembed's image pipeline on the traced tower: its own transform in numpy, then onnxruntime.

Its `embed` scales vectors to length one, which loses what the head was trained on: the step before
that is taken.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from contenders.fastembed_folder import MODEL, fastembed_folder
from contenders.interface import Encode, Given, LeftOut, unless_installed

NAME = "fastembed, ONNX fp32"
PRECISION = "fp32"


def left_out(given: Given) -> LeftOut | None:
    return unless_installed("fastembed", "open_clip", "onnx")


def prepare(given: Given, threads: int) -> Encode:
    from fastembed.image.onnx_embedding import OnnxImageEmbedding
    from PIL import Image

    folder = str(fastembed_folder(given))
    # Without CUDA by name: fastembed asks onnxruntime for what it has otherwise.
    model = OnnxImageEmbedding(MODEL, threads=threads, cuda=False, specific_model_path=folder)

    def encode(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        images: list[Any] = [Image.fromarray(photo) for photo in pixels]
        return np.asarray(model.onnx_embed(images).model_output, np.float32)

    return encode
