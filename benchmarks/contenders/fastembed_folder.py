"""A local folder from which fastembed loads the traced tower, as if it had been downloaded."""

import json
from pathlib import Path

from contenders.interface import Given
from contenders.traced_file import traced_tower
from geograph_types.files.atomic import new_file
from geograph_types.preprocess import CROP, MEAN, STD

MODEL = "Qdrant/clip-ViT-B-32-vision"
"""fastembed's name of this encoder; it then looks for `model.onnx`."""


def fastembed_folder(given: Given) -> Path:
    """Write CLIP's transform beside a link to the tower, unless they are there."""
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
