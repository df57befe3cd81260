"""What needs torch, where it is installed: `.pt` and `.pth` files, and open_clip's own tower.

The export's only importer of torch and open_clip, which come with the extra `reference`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from geograph_types.errors import MissingExtraError
from geograph_types.preprocess import normalise
from geograph_types_export.architecture import MODEL_NAME, layer_count

if TYPE_CHECKING:
    import torch

EXTRA: Final = "reference"
BATCH: Final = 16
OPEN_CLIP: Final = f"open_clip {MODEL_NAME} in torch, float32, the same weights"
TRAINING_STATE: Final = "state_dict"
"""Where trainers keep the model in a checkpoint, beside epoch and optimizer."""


def read_torch_file(path: Path, *, script: bool) -> "dict[str, torch.Tensor]":
    """Read the tensors of a state dict or checkpoint, or of a TorchScript archive.

    An archive runs its own code when it is read: the caller has checked its digest.
    """
    try:
        import torch
    except ModuleNotFoundError:
        raise MissingExtraError("torch", EXTRA) from None
    if script:
        return dict(torch.jit.load(path, map_location="cpu").state_dict())  # type: ignore[no-untyped-call]
    with path.open("rb") as file:  # torch would go by the name of a path
        loaded = torch.load(file, map_location="cpu", weights_only=True)
    state = loaded.get(TRAINING_STATE, loaded)
    return {str(key): value for key, value in state.items() if isinstance(value, torch.Tensor)}


def as_array(tensor: "torch.Tensor") -> NDArray[np.float32]:
    """Return a tensor's values; it has to hold them one by one, as floats."""
    import torch

    floats = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
    dense = tensor.layout == torch.strided and not tensor.is_nested
    if not dense or tensor.dtype not in floats or tensor.device.type != "cpu":
        raise ValueError(f"{tensor.dtype}, {tensor.layout}, on {tensor.device}")
    # A saved tensor may be a view that negates its values when they are read; numpy has none such.
    values: NDArray[np.float32] = tensor.detach().resolve_neg().float().numpy()
    return values


def shape_of(tensor: "torch.Tensor") -> tuple[int, ...]:
    """Return a tensor's shape; a nested tensor has none."""
    return () if tensor.is_nested else tuple(tensor.shape)


def open_clip_tower(state: Mapping[str, Any]) -> "torch.nn.Module":
    """Build open_clip's image tower: normalised pixels [N, 3, 224, 224] to embeddings [N, 512]."""
    try:
        import open_clip
        import torch
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "open_clip", EXTRA) from None
    configuration = open_clip.get_model_config(MODEL_NAME)
    configuration["vision_cfg"]["layers"] = layer_count(state)
    with torch.device("meta"):
        tower: torch.nn.Module = open_clip.CLIP(**configuration).visual
    tensors = {key: torch.from_numpy(np.array(values)) for key, values in state.items()}
    tower.load_state_dict(tensors, assign=True)
    return tower.eval()


def open_clip_embeds(tower: "torch.nn.Module", pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Compute embeddings [N, 512] of pixels [N, 224, 224, 3] with open_clip's tower."""
    import torch

    parts = [pixels[start : start + BATCH] for start in range(0, len(pixels), BATCH)]
    with torch.inference_mode():
        return np.concatenate([tower(torch.from_numpy(normalise(part))).numpy() for part in parts])
