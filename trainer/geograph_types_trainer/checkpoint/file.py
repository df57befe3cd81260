"""Checkpoints in the form that Geograph releases: read without trust, and written."""

import hashlib
import math
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch

from geograph_types.distance.distance import BUCKET_COUNT, bucket_text
from geograph_types.embedding import EMBEDDING_DIMENSION
from geograph_types.errors import GeographTypesError
from geograph_types.files.atomic import new_file
from geograph_types.taxonomy import CLASSES
from geograph_types_trainer.checkpoint.archive import ARCHIVE_LIMIT, open_archive
from geograph_types_trainer.checkpoint.pickle_outline import (
    FormError,
    TensorOutline,
    outline_pickle,
)
from geograph_types_trainer.head import DISTANCE_DIMENSION, TypeHead

DIST_MAP: Final[dict[str, int]] = {
    bucket_text(bucket): bucket for bucket in range(BUCKET_COUNT)
} | {"": 0}
"""Text of a distance to its row of the table; its 24 keys are why the table has 24 rows."""

REASON_LENGTH: Final = 200
"""Characters; reasons quote the file, and it may hold names of any length."""

KEYS: Final = (
    "model_state_dict",
    "classes",
    "dist_map",
    "clip_dim",
    "dist_embed_dim",
    "epoch",
    "optimizer_state_dict",
    "loss",
)
"""Keys of a released file, in their order there."""


class CheckpointError(GeographTypesError):
    """A checkpoint that is not, part for part, of the released form; nothing of it was run.

    Attributes:
        path: the file.
        reason: what is wrong with it.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"checkpoint {path} is refused: {reason[:REASON_LENGTH]}; get the file again from its "
            "publisher, or have it saved in the released form"
        )
        self.path = path
        self.reason = reason


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A released head.

    Attributes:
        head: in evaluation mode, on the CPU.
        sha256: digest of the file.
        epoch: in which it was saved.
        loss: at that time.
    """

    head: TypeHead
    sha256: str
    epoch: int
    loss: float


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint of the released form, running none of what it may carry.

    The file is read once. Its archive, its pickle and the sizes in both are checked before torch
    sees a byte, and torch then loads the checked parts with `weights_only=True`.

    Raises:
        CheckpointError: missing, or anything else than the released form.
    """
    data = _read(path)
    try:
        archive = open_archive(data)
        outline, tensors = outline_pickle(archive.pickle)
        archive.check_tensors(tensors)
        epoch, loss = _check_contents(outline)
        loaded = torch.load(archive.rebuilt(), map_location="cpu", weights_only=True)
        head = _build(loaded["model_state_dict"])
    except (FormError, pickle.UnpicklingError, RuntimeError) as error:
        raise CheckpointError(path, str(error)) from None
    return Checkpoint(head, hashlib.sha256(data).hexdigest(), epoch, loss)


def save_checkpoint(head: TypeHead, path: Path, epoch: int, loss: float) -> None:
    """Write a head in the released form, which Geograph's own loader reads.

    Args:
        head: its weights are written, with the state of an optimizer that has not yet stepped.
        path: the file; it is there in full or not at all.
        epoch: in which the weights were best.
        loss: of the validation rows at that time.

    Raises:
        OSError: the file cannot be written.
    """
    values = {
        "model_state_dict": {name: value.cpu() for name, value in head.state_dict().items()},
        "classes": list(CLASSES),
        "dist_map": dict(DIST_MAP),
        "clip_dim": EMBEDDING_DIMENSION,
        "dist_embed_dim": DISTANCE_DIMENSION,
        "epoch": epoch,
        "optimizer_state_dict": torch.optim.Adam(head.parameters()).state_dict(),
        "loss": loss,
    }
    with new_file(path) as stream:
        torch.save(values, stream)


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


def _check_contents(outline: object) -> tuple[int, float]:
    """Hold what the pickle would build to the released form; give epoch and loss."""
    if not isinstance(outline, dict):
        raise FormError("its pickle holds no dictionary")
    missing = [key for key in KEYS if key not in outline]
    if missing:
        raise FormError(f"it has no {', '.join(missing)}")
    _check_weights(outline["model_state_dict"])
    expected: dict[str, object] = {
        "classes": list(CLASSES),
        "dist_map": DIST_MAP,
        "clip_dim": EMBEDDING_DIMENSION,
        "dist_embed_dim": DISTANCE_DIMENSION,
    }
    for key, wanted in expected.items():
        if type(outline[key]) is not type(wanted) or outline[key] != wanted:
            raise FormError(f"its {key} is not the released one")
    epoch, loss = outline["epoch"], outline["loss"]
    if type(epoch) is not int or epoch < 0:
        raise FormError("its epoch is no whole number from 0 on")
    if type(loss) is not float or not math.isfinite(loss):
        raise FormError("its loss is no finite number")
    return epoch, loss


def _check_weights(weights: object) -> None:
    wanted = {name: tuple(value.shape) for name, value in _blank_head().state_dict().items()}
    if not isinstance(weights, dict):
        raise FormError("its model_state_dict is no dictionary")
    if set(weights) != set(wanted):
        missing, extra = sorted(set(wanted) - set(weights)), set(weights) - set(wanted)
        raise FormError(
            f"its model_state_dict lacks {', '.join(missing) or 'nothing'} "
            f"and has {len(extra)} besides"
        )
    for name, shape in wanted.items():
        tensor = weights[name]
        if not isinstance(tensor, TensorOutline):
            raise FormError(f"its {name} is no tensor")
        if tensor.shape != shape:
            raise FormError(f"its {name} has the shape {tensor.shape}, not {shape}")


def _blank_head() -> TypeHead:
    """Make a head that has shapes and no numbers, which draws nothing from torch's generator."""
    with torch.device("meta"):
        return TypeHead()


def _build(weights: dict[str, torch.Tensor]) -> TypeHead:
    for name, value in weights.items():
        if not bool(torch.isfinite(value).all()):
            raise FormError(f"its {name} holds NaN or infinity")
    head = _blank_head()
    # A plain dict leaves out the file's own _metadata.
    head.load_state_dict(dict(weights), assign=True)
    return head.eval()
