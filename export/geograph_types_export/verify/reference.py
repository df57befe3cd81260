"""open_clip's own image tower in torch: what every encoder file is held against."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray

from geograph_types.preprocess import normalise
from geograph_types.session import Session
from geograph_types_export.architecture import MODEL_NAME


def embed(session: Session, pixels: NDArray[np.uint8], batch: int) -> NDArray[np.float32]:
    """Run an encoder over photos in batches.

    Args:
        session: of an encoder.
        pixels: uint8 [N, 224, 224, 3].
        batch: photos in one run.

    Returns:
        float32 [N, 512].
    """
    starts = range(0, len(pixels), batch)
    parts = [session.run("image_embeds", pixels=pixels[start : start + batch]) for start in starts]
    return np.concatenate(parts)


def cosines(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """Give the cosine of each pair of rows, [N], of two matrices [N, 512]."""
    x, y = a.astype(np.float64), b.astype(np.float64)
    norms = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    return np.asarray((x * y).sum(axis=1) / norms, np.float64)


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
