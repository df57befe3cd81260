"""open_clip's own image tower in torch: what every encoder file is held against."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray

from geograph_types.preprocess import normalise
from geograph_types_export.architecture import MODEL_NAME

__all__ = ["REFERENCE", "ReferenceTower"]

REFERENCE: Final = f"open_clip {MODEL_NAME} in torch, float32, the same weights"
BATCH: Final = 16


class ReferenceTower:
    """The image tower of open_clip's `ViT-B-32-quickgelu` with given weights.

    Attributes:
        module: the tower in torch, in eval mode; normalised pixels [N, 3, 224, 224] to [N, 512].
    """

    def __init__(self, state: Mapping[str, torch.Tensor]) -> None:
        """Build the tower without its text side and without drawing weights first.

        Args:
            state: tensors by open_clip's keys, as `architecture.check_tower` accepts them.
        """
        with torch.device("meta"):
            model = open_clip.CLIP(**open_clip.get_model_config(MODEL_NAME))
        self.module = model.visual
        self.module.load_state_dict(state, assign=True)
        self.module.eval()

    def embed(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Compute embeddings.

        Args:
            pixels: uint8 [N, 224, 224, 3].

        Returns:
            float32 [N, 512], not normalised.
        """
        parts = [pixels[start : start + BATCH] for start in range(0, len(pixels), BATCH)]
        with torch.inference_mode():
            embeds = [self.module(torch.from_numpy(normalise(part))).numpy() for part in parts]
        return np.concatenate(embeds)
