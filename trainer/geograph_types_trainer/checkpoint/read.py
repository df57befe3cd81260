"""Read a head in the form that Geograph releases (`.pth`) as numpy arrays.

Each tensor that `archive` finds described is held to the bytes that there are.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from geograph_types.distance.distance import BUCKET_COUNT, bucket_text
from geograph_types.embedding import EMBEDDING_DIMENSION
from geograph_types.errors import GeographTypesError
from geograph_types.taxonomy import CLASSES
from geograph_types_trainer.checkpoint.archive import FormError, Tensor, archive_parts, unpickled
from geograph_types_trainer.head_weights import (
    DISTANCE_DIMENSION,
    HeadWeights,
    head_problem,
    without_wrappers,
)

ARCHIVE_LIMIT: Final = 8 << 20
"""Bytes; the released files, with their optimizer's state, have 1.7 million."""
REASON_LENGTH: Final = 200
"""Characters; reasons quote the file, and it may hold names of any length."""

DIST_MAP: Final[Mapping[str, int]] = {
    bucket_text(bucket): bucket for bucket in range(BUCKET_COUNT)
} | {"": 0}
"""Text of a distance to its row of the table; its 24 keys are why the table has 24 rows."""

MODEL: Final = "model_state_dict"
FORM: Final[Mapping[str, object]] = {
    "classes": list(CLASSES),
    "dist_map": DIST_MAP,
    "clip_dim": EMBEDDING_DIMENSION,
    "dist_embed_dim": DISTANCE_DIMENSION,
}
"""What every file of this form says beside its weights."""


class CheckpointError(GeographTypesError):
    """A checkpoint that is not of the released form; nothing of it was run."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"checkpoint {path} is refused: {reason[:REASON_LENGTH]}; get the file again from its "
            "publisher, or have it saved in the released form"
        )
        self.path = path
        self.reason = reason


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A head and what its file says of it."""

    weights: HeadWeights
    sha256: str  # of the file
    epoch: int | None  # in which it was saved, if the file says so
    loss: float | None  # at that time, if the file says so


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint of the released form."""
    data = _read(path)
    try:
        parts = archive_parts(data)
        contents = unpickled(parts["data.pkl"])
        _check_form(contents)
        weights = _weights(contents, parts)
        epoch, loss = _number(contents, "epoch", int), _number(contents, "loss", float)
    except FormError as error:
        raise CheckpointError(path, str(error)) from None
    return Checkpoint(weights, hashlib.sha256(data).hexdigest(), epoch, loss)


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise CheckpointError(path, "there is no such file")
    try:
        with path.open("rb") as stream:
            data = stream.read(ARCHIVE_LIMIT + 1)
    except OSError as error:
        raise CheckpointError(path, f"it cannot be read ({error.strerror})") from None
    if len(data) > ARCHIVE_LIMIT:
        raise CheckpointError(path, f"it is larger than {ARCHIVE_LIMIT} bytes")
    return data


def _check_form(contents: Mapping[str, object]) -> None:
    if missing := [key for key in (MODEL, *FORM) if key not in contents]:
        raise FormError(f"it has no {', '.join(missing)}")
    for key, wanted in FORM.items():
        found = contents[key]
        if type(found) is not type(wanted) or found != wanted:
            raise FormError(f"its {key} is not the released one")


def _weights(contents: Mapping[str, object], parts: Mapping[str, bytes]) -> HeadWeights:
    state = contents[MODEL]
    if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
        raise FormError(f"its {MODEL} is not a dictionary of names")
    tensors = without_wrappers(state)
    for name, value in tensors.items():
        if not isinstance(value, Tensor):
            raise FormError(f"its {name} is not a tensor")
    problem = head_problem({name: tensor.shape for name, tensor in tensors.items()}, False)
    if problem is not None:
        raise FormError(problem)
    return {name: _array(name, tensor, parts) for name, tensor in tensors.items()}


def _array(name: str, tensor: Tensor, parts: Mapping[str, bytes]) -> NDArray[np.float32]:
    """Read a tensor, which has to be exactly one whole storage, in order."""
    place = f"data/{tensor.storage.key}"
    if place not in parts:
        raise FormError(f"its pickle names {place}, which the archive does not have")
    declared = tensor.storage.size * np.dtype(np.float32).itemsize
    if declared != len(parts[place]):
        raise FormError(f"{place} has {len(parts[place])} bytes, and its pickle says {declared}")
    if math.prod(tensor.shape) != tensor.storage.size or tensor.offset != 0:
        raise FormError(
            f"its {name} of shape {tensor.shape} at {tensor.offset} does not fill {place} "
            f"({tensor.storage.size} numbers)"
        )
    steps = tuple(math.prod(tensor.shape[i + 1 :]) for i in range(len(tensor.shape)))
    if tensor.stride != steps:
        raise FormError(f"its {name} of shape {tensor.shape} has the strides {tensor.stride}")
    values = np.frombuffer(parts[place], "<f4").reshape(tensor.shape)
    if not np.isfinite(values).all():
        raise FormError(f"its {name} holds NaN or infinity")
    return values.astype(np.float32)


def _number(contents: Mapping[str, object], key: str, kind: type[Any]) -> Any:
    """Return a number of the bookkeeping; `None` if the file has something else there."""
    value: Any = contents.get(key)
    if type(value) is not kind:
        return None
    if not math.isfinite(value) or (kind is int and value < 0):
        raise FormError(f"its {key} is {value}")
    return value
