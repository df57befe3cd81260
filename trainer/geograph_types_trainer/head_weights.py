"""A head's weights as numpy arrays, for whoever reads heads without torch."""

from collections.abc import Mapping
from typing import Final, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from geograph_types.distance.distance import BUCKET_COUNT
from geograph_types.embedding import EMBEDDING_DIMENSION
from geograph_types.taxonomy import CLASSES

HeadWeights: TypeAlias = Mapping[str, NDArray[np.float32]]
"""By the names of the released heads' parameters, see `HEAD_SHAPES`."""

DISTANCE_ROWS: Final = 24
"""Rows of the released distance table, of which the 23 buckets use all but the last."""
DISTANCE_DIMENSION: Final = 16
HIDDEN: Final = 256

HEAD_SHAPES: Final[Mapping[str, tuple[int, ...]]] = {
    "dist_emb.weight": (DISTANCE_ROWS, DISTANCE_DIMENSION),
    "fc.0.weight": (HIDDEN, EMBEDDING_DIMENSION + DISTANCE_DIMENSION),
    "fc.0.bias": (HIDDEN,),
    "fc.3.weight": (len(CLASSES), HIDDEN),
    "fc.3.bias": (len(CLASSES),),
}

SCALE: Final = "calibration.scale"
SHIFT: Final = "calibration.shift"
"""A line over each class's logits at each distance bucket: what `evaluate --keep` adds to a run's
head. The released form has no place for it."""

CALIBRATION_SHAPE: Final = (BUCKET_COUNT, len(CLASSES))

WRAPPERS: Final = ("_orig_mod.", "module.", "model.")
"""Put before every name by torch.compile, by distributed training and by Lightning."""

Value = TypeVar("Value")


def without_wrappers(named: Mapping[str, Value]) -> dict[str, Value]:
    """Return weights by their names in the bare model, however often it was wrapped."""
    bare = dict(named)
    while shared := [p for p in WRAPPERS if bare and all(name.startswith(p) for name in bare)]:
        bare = {name.removeprefix(shared[0]): value for name, value in bare.items()}
    return bare


def head_logits(
    weights: HeadWeights, embeddings: NDArray[np.floating], buckets: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Compute logits [N, 7] of raw embeddings [N, 512] at distance buckets [N], calibrated."""
    exact = {name: values.astype(np.float64) for name, values in weights.items()}
    image, distance = np.split(exact["fc.0.weight"], [EMBEDDING_DIMENSION], axis=1)
    table = exact["dist_emb.weight"] @ distance.T + exact["fc.0.bias"]
    hidden = np.maximum(embeddings @ image.T + table[buckets], 0)
    logits: NDArray[np.float64] = hidden @ exact["fc.3.weight"].T + exact["fc.3.bias"]
    if SCALE in exact:
        logits = logits * exact[SCALE][buckets] + exact[SHIFT][buckets]
    return logits


def calibrated(
    weights: HeadWeights, scale: NDArray[np.floating], shift: NDArray[np.floating]
) -> HeadWeights:
    """Put lines, [23, 7] by distance bucket, over a head's logits, after those it may have."""
    before = weights.get(SCALE, np.ones(CALIBRATION_SHAPE)), weights.get(SHIFT, 0.0)
    lines = {SCALE: before[0] * scale, SHIFT: before[1] * scale + shift}
    return {**weights, **{name: line.astype(np.float32) for name, line in lines.items()}}


def head_problem(shapes: Mapping[str, tuple[int, ...]], may_be_calibrated: bool) -> str | None:
    """Return why tensors of these shapes are not a head; `None` if they are."""
    if may_be_calibrated and {SCALE, SHIFT} <= shapes.keys():
        if {shapes[SCALE], shapes[SHIFT]} != {CALIBRATION_SHAPE}:
            return "its calibration is not a line for each class at each distance"
        shapes = {name: shapes[name] for name in shapes if name not in (SCALE, SHIFT)}
    if missing := sorted(HEAD_SHAPES.keys() - shapes.keys()):
        return f"it lacks {', '.join(missing)}"
    if unknown := sorted(shapes.keys() - HEAD_SHAPES.keys()):
        return f"it has {len(unknown)} tensors too many, such as {unknown[0]}"
    for name, wanted in HEAD_SHAPES.items():
        if shapes[name] != wanted:
            return f"its {name} has the shape {shapes[name]}, not {wanted}"
    return None
