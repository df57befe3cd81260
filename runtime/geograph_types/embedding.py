"""What a CLIP ViT-B/32 image embedding is, and how a wrong one is refused before it does harm."""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geograph_types.errors import EmbeddingError, EmbeddingFault

EMBEDDING_DIMENSION: Final = 512
NORMALISED_TOLERANCE: Final = 0.05
"""Raw vectors have norms near 10.8, so anything this close to 1 was normalised."""


HALF_NOT_FINITE: Final = 0x7C00
"""Bits of a float16's exponent, all of them set in infinities and NaN."""
HALF_MAGNITUDE: Final = 0x7FFF
"""All bits of a float16 but its sign."""
HALF_SIGN_AND_PLACE: Final = np.int32(-0x70002000)
"""Where a float16's bits stand in a float32: the sign on top, 13 places up the rest."""
HALF_REBIAS: Final = np.float32(2.0**112)
"""From float32's reading of a float16's exponent (bias 127) to float16's own (bias 15)."""


def widen(values: NDArray[np.floating]) -> NDArray[np.float32]:
    """Convert floats to float32, exactly where they are float16.

    numpy converts float16 one by one; a shift and a product are eight times as fast, and exact,
    for subnormal numbers too.
    """
    if values.dtype != np.float16:
        return _as_float32(values)
    bits = np.ascontiguousarray(values).view(np.int16)
    if (bits & HALF_MAGNITUDE).max(initial=0) >= HALF_NOT_FINITE:
        return values.astype(np.float32)
    wide = bits.astype(np.int32)
    wide <<= 13
    wide &= HALF_SIGN_AND_PLACE
    floats = wide.view(np.float32)
    floats *= HALF_REBIAS
    return floats


def _as_float32(values: ArrayLike) -> NDArray[np.float32]:
    """Convert; what is beyond float32 becomes infinite, and is refused as such."""
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(values, np.float32)


def embedding_faults(embeddings: NDArray[np.floating]) -> dict[int, EmbeddingFault]:
    """Find the rows of [N, 512] that must not reach the head: the fault of each by its index."""
    squared = np.einsum("ij,ij->i", embeddings, embeddings, dtype=np.float32)
    finite = np.isfinite(squared)
    norm = np.sqrt(np.where(finite, squared, 0.0))
    normalised = np.abs(norm - 1.0) <= NORMALISED_TOLERANCE
    faults: dict[int, EmbeddingFault] = {}
    for row in np.flatnonzero(~finite | (norm == 0) | normalised):
        if not finite[row]:
            faults[int(row)] = EmbeddingFault.NOT_FINITE
        elif normalised[row]:
            faults[int(row)] = EmbeddingFault.NORMALISED
        else:
            faults[int(row)] = EmbeddingFault.ZERO
    return faults


def as_embeddings(values: ArrayLike) -> NDArray[np.float32]:
    """Check [N, 512] numbers (or a vector of 512); return them as contiguous float32 [N, 512]."""
    if np.iscomplexobj(values):
        raise EmbeddingError(EmbeddingFault.WRONG_SHAPE, 0, "complex numbers")
    try:
        array = _as_float32(values)
    except (TypeError, ValueError) as error:
        raise EmbeddingError(EmbeddingFault.WRONG_SHAPE, 0, str(error)) from None
    if array.ndim == 1 and array.size == EMBEDDING_DIMENSION:
        array = array[None, :]
    if array.ndim != 2 or array.shape[1] != EMBEDDING_DIMENSION:
        raise EmbeddingError(EmbeddingFault.WRONG_SHAPE, 0, f"shape {array.shape}")
    faults = embedding_faults(array)
    if faults:
        row, fault = next(iter(faults.items()))
        norm = float(np.linalg.norm(array[row].astype(np.float64)))
        raise EmbeddingError(fault, row, f"norm {norm:.3g}")
    return array
