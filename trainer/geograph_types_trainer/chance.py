"""Random numbers that depend on a row's id, not on its position in a file."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
FIRST_FACTOR: Final = np.uint64(0xBF58476D1CE4E5B9)
SECOND_FACTOR: Final = np.uint64(0x94D049BB133111EB)


def mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64-bit numbers one to one.

    Source: the finaliser of splitmix64, Steele, Lea and Flood, "Fast splittable pseudorandom
    number generators", OOPSLA 2014.
    """
    values = values + GOLDEN
    values = (values ^ (values >> np.uint64(30))) * FIRST_FACTOR
    values = (values ^ (values >> np.uint64(27))) * SECOND_FACTOR
    return values ^ (values >> np.uint64(31))


def derived_seed(*parts: int) -> int:
    """Combine numbers of 0 or more, such as seed, epoch and purpose, into a seed below 2^63."""
    state = np.zeros(1, np.uint64)
    for part in parts:
        state = mix(state ^ np.uint64(part % 2**64))
    return int(state[0] >> np.uint64(1))


def uniform_by_id(ids: NDArray[np.int64], *parts: int) -> NDArray[np.float64]:
    """Draw a float64 in [0, 1) for each `gridimage_id`, the same whatever the order of the rows.

    Other parts (seed, epoch, purpose) give independent numbers.
    """
    key = np.uint64(derived_seed(*parts))
    bits = mix(mix(ids.astype(np.uint64)) ^ key)
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
