"""A head as JSON, for programs without an ONNX runtime, such as Geograph's port to PHP.

They compute it as the released form is computed: embedding and row of the distance table, one
layer, ReLU, another layer, sigmoid. A calibration has no place in that, so it becomes part of the
layers.
"""

from collections.abc import Mapping
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from geograph_types.distance.distance import BUCKET_COUNT
from geograph_types_trainer.checkpoint.read import FORM
from geograph_types_trainer.head_weights import SCALE, SHIFT, HeadWeights

SHUT: Final = 1e6
"""Taken off a hidden unit that is not to count: more than any has."""


def json_head(weights: HeadWeights) -> bytes:
    """Return a head's form and weights, with all 24 rows of the distance table."""
    layers = {name: values.astype(np.float64) for name, values in weights.items()}
    if SCALE in layers:
        layers = _widened(layers)
    metadata = {**FORM, "dist_embed_dim": layers["dist_emb.weight"].shape[1]}
    state = {name: values.tolist() for name, values in layers.items()}
    return msgspec.json.encode({"metadata": metadata, "state_dict": state})


def _widened(head: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """Put a calibration into the layers, exactly: a copy of the hidden units for each scale.

    Further columns of the distance table tell the buckets of a scale, and of a constant, from the
    others. They shut the copies for other scales, and open a unit that adds the constant.
    """
    scales, scale_of = np.unique(head[SCALE], axis=0, return_inverse=True)
    shifts = head[SCALE] * head["fc.3.bias"] + head[SHIFT]
    constants, constant_of = np.unique(shifts, axis=0, return_inverse=True)
    table, first = head["dist_emb.weight"], head["fc.0.weight"]
    extra = np.zeros((len(table), len(scales) + len(constants)))
    buckets = np.arange(BUCKET_COUNT)
    extra[buckets, scale_of.ravel()] = 1
    extra[buckets, len(scales) + constant_of.ravel()] = 1
    others = SHUT * (np.eye(len(scales)) - 1)
    copies = [
        np.hstack([first, np.tile([*row, *np.zeros(len(constants))], (len(first), 1))])
        for row in others
    ]
    adders = np.zeros((len(constants), copies[0].shape[1]))
    adders[:, -len(constants) :] = np.eye(len(constants))
    bias = [head["fc.0.bias"]] * len(scales)
    last = [head["fc.3.weight"] * scale[:, None] for scale in scales]
    return {
        "dist_emb.weight": np.hstack([table, extra]),
        "fc.0.weight": np.vstack([*copies, adders]),
        "fc.0.bias": np.concatenate([*bias, np.zeros(len(constants))]),
        "fc.3.weight": np.hstack([*last, constants.T]),
        "fc.3.bias": np.zeros(head["fc.3.bias"].shape),
    }
