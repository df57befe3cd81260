"""A head's weights as numpy arrays, for whoever reads heads without torch."""

from collections.abc import Mapping
from typing import Final, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

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

WRAPPERS: Final = ("_orig_mod.", "module.", "model.")
"""Put before every name by torch.compile, by distributed training and by Lightning."""

Value = TypeVar("Value")


def without_wrappers(named: Mapping[str, Value]) -> dict[str, Value]:
    """Return weights by their names in the bare model, however often it was wrapped."""
    bare = dict(named)
    while shared := [p for p in WRAPPERS if bare and all(name.startswith(p) for name in bare)]:
        bare = {name.removeprefix(shared[0]): value for name, value in bare.items()}
    return bare


def head_problem(shapes: Mapping[str, tuple[int, ...]]) -> str | None:
    """Return why tensors of these shapes are not a head; `None` if they are."""
    if missing := sorted(HEAD_SHAPES.keys() - shapes.keys()):
        return f"it lacks {', '.join(missing)}"
    if unknown := sorted(shapes.keys() - HEAD_SHAPES.keys()):
        return f"it has {len(unknown)} tensors too many, such as {unknown[0]}"
    for name, wanted in HEAD_SHAPES.items():
        if shapes[name] != wanted:
            return f"its {name} has the shape {shapes[name]}, not {wanted}"
    return None
