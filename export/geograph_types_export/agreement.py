"""What an encoder gives for photos, and how near it comes to what another gives."""

import numpy as np
from numpy.typing import NDArray

from geograph_types.session import Session

__all__ = ["cosines", "embed"]


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
