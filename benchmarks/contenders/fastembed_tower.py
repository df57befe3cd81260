"""fastembed's image pipeline on the traced tower: its own transform in numpy, then onnxruntime.

Its `embed` scales vectors to length one, which loses what the head was trained on: the step before
that is taken.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contenders.interface import Contender, Encode, Given, unless_installed
from contenders.traced_towers import traced_tower
from geograph_types.files.atomic import new_file
from geograph_types.preprocess import CROP, MEAN, STD

MODEL = "Qdrant/clip-ViT-B-32-vision"
"""fastembed's name of this encoder; it then looks for `model.onnx`."""


def fastembed_folder(given: Given) -> Path:
    """Write a local folder as if downloaded: CLIP's transform beside a link to the tower."""
    folder = given.work / "fastembed"
    folder.mkdir(exist_ok=True)
    model = folder / "model.onnx"
    if not model.exists():
        model.hardlink_to(traced_tower(given))
    transform = {
        "image_processor_type": "CLIPImageProcessor",
        "do_resize": True,
        "size": {"shortest_edge": CROP},
        "resample": 3,
        "do_center_crop": True,
        "crop_size": CROP,
        "do_rescale": True,
        "do_normalize": True,
        "image_mean": MEAN,
        "image_std": STD,
    }
    with new_file(folder / "preprocessor_config.json") as stream:
        stream.write(json.dumps(transform).encode())
    return folder


def _prepare(given: Given, threads: int) -> Encode:
    from fastembed.image.onnx_embedding import OnnxImageEmbedding
    from PIL import Image

    folder = str(fastembed_folder(given))
    # Without CUDA by name: fastembed asks onnxruntime for what it has otherwise.
    model = OnnxImageEmbedding(MODEL, threads=threads, cuda=False, specific_model_path=folder)

    def encode(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        images: list[Any] = [Image.fromarray(photo) for photo in pixels]
        return np.asarray(model.onnx_embed(images).model_output, np.float32)

    return encode


FP32 = Contender(
    "fastembed, ONNX fp32",
    "fp32",
    lambda _: unless_installed("fastembed", "open_clip", "onnx"),
    _prepare,
)
