"""Get the weights of CLIP's image tower by name, from a file, or as a stand-in."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch

from geograph_types_export.architecture import OPENAI, check_tower
from geograph_types_export.errors import WeightsError
from geograph_types_export.weights.activation import check_activation
from geograph_types_export.weights.files import read_weight_file
from geograph_types_export.weights.layouts import to_open_clip
from geograph_types_export.weights.stand_in import stand_in_state_dict

AUTO: Final = "auto"
RANDOM: Final = "random:"
AUTO_SEED: Final = 0
SEED_DIGITS: Final = 19
"""The largest seed has so many; Python refuses to read thousands."""
UNSTATED: Final = (
    "nothing says which activation these weights need; they are taken for QuickGELU's, as OpenAI's "
    "are, and others would compute something else"
)


@dataclass(frozen=True, slots=True, eq=False)
class EncoderWeights:
    """Checked weights of the image tower.

    Attributes:
        name: "openai", "random:SEED", or a file's name.
        state: float32 tensors by open_clip's keys of the tower (`ViT-B-32-quickgelu`).
        sha256: digest of the tensors, see `weights_digest`.
        stand_in: seeded weights whose features mean nothing.
        notice: one line for people, where a stand-in was taken in place of OpenAI's weights, or a
            file does not say what it needs.
    """

    name: str
    state: Mapping[str, torch.Tensor]
    sha256: str
    stand_in: bool = False
    notice: str | None = None


def load_weights(spec: str) -> EncoderWeights:
    """Load the weights that a user asked for.

    Args:
        spec: "openai" (through open_clip: its cache, its hub, `HF_HUB_OFFLINE`), "random:SEED"
            (a stand-in), a path (state dict, OpenAI's TorchScript archive, safetensors), or "auto"
            (openai where it can be had, decided within seconds, and "random:0" otherwise).

    Raises:
        WeightsError: they cannot be had, or are not those of CLIP ViT-B/32 with QuickGELU.
    """
    if spec == AUTO:
        return _load_auto()
    if spec.startswith(RANDOM):
        return _load_stand_in(spec)
    from geograph_types_export.weights import openai

    if spec == OPENAI:
        return _load_cached(openai.cached_weights() or _download())
    path = Path(spec)
    return _load_file(path, path.name)


def weights_digest(state: Mapping[str, torch.Tensor]) -> str:
    """Digest weights by their values, so that a file's form makes no difference.

    SHA-256 over the tensors in the order of their keys: for each the key, a zero byte, and its
    values as little-endian float32.
    """
    digest = hashlib.sha256()
    for key in sorted(state):
        digest.update(key.encode() + b"\0")
        digest.update(np.ascontiguousarray(state[key].numpy(), dtype="<f4").data)
    return digest.hexdigest()


def _load_auto() -> EncoderWeights:
    from geograph_types_export.weights import openai

    cached = openai.cached_weights()
    if cached is not None:
        return _load_cached(cached)
    reason = openai.why_unreachable()
    if reason is None:
        try:
            return _load_cached(openai.download_weights())
        except WeightsError as error:
            reason = str(error)
    notice = (
        f"OpenAI's weights cannot be had here ({reason}): the encoder is a STAND-IN with random "
        "weights, whose tags mean nothing on real photos"
    )
    return _load_stand_in(f"{RANDOM}{AUTO_SEED}", notice)


def _download() -> Path:
    from geograph_types_export.weights import openai

    reason = openai.why_unreachable()
    if reason is not None:
        raise WeightsError(OPENAI, f"cannot be had ({reason}); {openai.ADVICE}")
    return openai.download_weights()


def _load_stand_in(spec: str, notice: str | None = None) -> EncoderWeights:
    seed = spec.removeprefix(RANDOM)
    readable = seed.isascii() and seed.isdigit() and len(seed) <= SEED_DIGITS
    if not readable or int(seed) >= 1 << 63:
        raise WeightsError(spec, "the seed is no whole number below 2^63; give random:0, say")
    state = stand_in_state_dict(int(seed))
    return EncoderWeights(spec, state, weights_digest(state), stand_in=True, notice=notice)


def _load_cached(path: Path) -> EncoderWeights:
    """Load OpenAI's weights; nothing fetches a cached file again before it is deleted."""
    try:
        return _load_file(path, OPENAI)
    except WeightsError as error:
        raise WeightsError(
            OPENAI,
            f"the cached file is of no use ({error}); delete {path.resolve()}, and run again",
        ) from error


def _load_file(path: Path, name: str) -> EncoderWeights:
    file = read_weight_file(path)
    tower = to_open_clip(str(path), file.tensors)
    check_tower(str(path), tower)
    stated = check_activation(path, file) or name == OPENAI
    state = {key: _as_float32(tensor) for key, tensor in tower.items()}
    notice = None if stated else f"{path}: {UNSTATED}"
    return EncoderWeights(name, state, weights_digest(state), notice=notice)


def _as_float32(tensor: torch.Tensor) -> torch.Tensor:
    # A saved tensor may be a view that negates its values when they are read; numpy has none such.
    return tensor.detach().resolve_neg().float().contiguous()
