"""Get the weights of CLIP's image tower by name, from a file, or as a stand-in."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from geograph_types_export.architecture import TowerState
from geograph_types_export.errors import WeightsError
from geograph_types_export.weights.files import read_tower
from geograph_types_export.weights.openai import (
    ARCHIVE_SHA256,
    OPENAI,
    SHA256,
    check_openai,
    fetch_openai,
    file_sha256,
)
from geograph_types_export.weights.stand_in import stand_in_tower

AUTO: Final = "auto"
RANDOM: Final = "random:"
AUTO_SEED: Final = 0
SEED_DIGITS: Final = 19
"""The largest seed has so many; Python refuses to read thousands."""
UNSTATED: Final = (
    "taken as trained with QuickGELU, as OpenAI's weights are; with others the embeddings would be "
    "wrong, and nothing in a file tells"
)


@dataclass(frozen=True, slots=True, eq=False)
class EncoderWeights:
    """Checked weights of the image tower."""

    name: str  # "openai", "random:SEED", or a file's name
    state: TowerState
    sha256: str  # see `weights_digest`
    stand_in: bool = False  # seeded weights whose features mean nothing
    notice: str | None = None  # one line for people


def load_weights(spec: str) -> EncoderWeights:
    """Load the weights that a user asked for.

    Args:
        spec: "openai", "random:SEED" (a stand-in), a file's path, or "auto" (openai if it is
            available, and "random:0" otherwise).
    """
    if spec.startswith(RANDOM):
        return _load_stand_in(spec)
    if spec == OPENAI:
        return _load_openai(fetch_openai())
    if spec == AUTO:
        return _load_auto()
    return _load_file(Path(spec))


def _load_openai(path: Path) -> EncoderWeights:
    check_openai(path)
    state = read_tower(path)
    return EncoderWeights(OPENAI, state, weights_digest(state))


def _load_auto() -> EncoderWeights:
    try:
        path = fetch_openai()
    except WeightsError as error:
        return _load_stand_in(
            f"{RANDOM}{AUTO_SEED}",
            f"{error}: the encoder is a STAND-IN with random weights, whose tags mean nothing on "
            "real photos",
        )
    return _load_openai(path)


def _load_file(path: Path) -> EncoderWeights:
    state = read_tower(path)
    published = file_sha256(path) in (SHA256, ARCHIVE_SHA256)
    notice = None if published else f"{path}: {UNSTATED}"
    return EncoderWeights(path.name, state, weights_digest(state), notice=notice)


def weights_digest(state: TowerState) -> str:
    """Digest weights by their values, so that a file's form makes no difference.

    SHA-256 over the tensors in the order of their keys: for each the key, a zero byte, and its
    values as little-endian float32.
    """
    digest = hashlib.sha256()
    for key in sorted(state):
        digest.update(key.encode() + b"\0")
        digest.update(np.ascontiguousarray(state[key], dtype="<f4").data)
    return digest.hexdigest()


def _load_stand_in(spec: str, notice: str | None = None) -> EncoderWeights:
    seed = spec.removeprefix(RANDOM)
    readable = seed.isascii() and seed.isdigit() and len(seed) <= SEED_DIGITS
    if not readable or int(seed) >= 1 << 63:
        raise WeightsError(spec, "the seed is not a whole number below 2^63; give random:0, say")
    state = stand_in_tower(int(seed))
    return EncoderWeights(spec, state, weights_digest(state), stand_in=True, notice=notice)
