"""Read the tensors of a weights file, whatever form it has, running none of what it may carry."""

import pickle
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import safetensors.torch
import torch

from geograph_types_export.errors import WeightsError
from geograph_types_export.weights.torchscript import is_script_archive, read_script_archive

ZIP: Final = b"PK\x03\x04"
PICKLE: Final = b"\x80"
LFS_POINTER: Final = b"version https://git-lfs"
SAFETENSORS_HEADER: Final = slice(8, 9)
"""Its JSON header starts after eight bytes of length."""

FETCH_AGAIN: Final = "fetch the file again, in full"
TRAINING_STATE: Final = "state_dict"
"""Where open_clip's training keeps the model in a checkpoint, beside epoch and optimizer."""
REASON_LENGTH: Final = 160


@dataclass(frozen=True, slots=True)
class WeightFile:
    """The contents of a weights file.

    Attributes:
        tensors: by their names in the file.
        modules: names of the module classes, where the file tells (TorchScript does).
    """

    tensors: Mapping[str, torch.Tensor]
    modules: frozenset[str] = frozenset()


def read_weight_file(path: Path) -> WeightFile:
    """Read a state dict or checkpoint (`torch.save`), a TorchScript archive, or safetensors.

    The form is told by the contents, not by the name. The tensors are as the file has them: of any
    shape, type and layout.

    Raises:
        WeightsError: missing, unreadable, cut off, damaged, or no weights file.
    """
    read = _reader(path)
    try:
        return read(path)
    except WeightsError:
        raise
    # zipfile, pickle, torch and safetensors have no closed list of what damage makes them raise:
    # truncated and altered files gave twelve classes, from struct.error to MemoryError.
    except Exception as error:
        raise WeightsError(
            str(path),
            f"the file is cut off, damaged, or holds more than tensors ({_reason(error)}); "
            f"{FETCH_AGAIN}, or save its state dict alone",
        ) from error


def _reader(path: Path) -> Callable[[Path], WeightFile]:
    """Choose how to read a file by its first bytes."""
    start = _first_bytes(path)
    if start.startswith(ZIP):
        return _read_zip
    # Before the pickle: the length that a safetensors file starts with may begin like one.
    if start[SAFETENSORS_HEADER] == b"{":
        return _read_safetensors
    if start.startswith(PICKLE):
        return _read_pickle
    raise WeightsError(str(path), _what_instead(start))


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(64)
    except FileNotFoundError:
        raise WeightsError(
            str(path),
            "there is no such file; give a path, 'openai', 'random:SEED' or 'auto'",
        ) from None
    except OSError as error:
        raise WeightsError(
            str(path), f"cannot be read ({error.strerror or error}); give a file that you may read"
        ) from None


def _what_instead(start: bytes) -> str:
    if not start:
        return f"the file is empty; {FETCH_AGAIN}"
    if start.startswith(LFS_POINTER):
        return "this is a Git LFS pointer; run 'git lfs pull' beside it"
    return (
        "this is no weights file; give a .pt or .pth state dict, OpenAI's TorchScript archive, "
        "or .safetensors"
    )


def _read_safetensors(path: Path) -> WeightFile:
    return WeightFile(safetensors.torch.load_file(path))


def _read_zip(path: Path) -> WeightFile:
    with zipfile.ZipFile(path) as archive:
        if not is_script_archive(archive):
            return _read_pickle(path)
        script = read_script_archive(archive)
    return WeightFile(script.tensors, script.modules)


def _read_pickle(path: Path) -> WeightFile:
    """Read what `torch.save` wrote, old form or new, with tensors and plain values only."""
    with path.open("rb") as file:  # torch would go by the name of a path
        loaded = torch.load(file, map_location="cpu", weights_only=True)
    if not isinstance(loaded, Mapping):
        raise WeightsError(str(path), "this holds no state dict; save model.state_dict() alone")
    nested = loaded.get(TRAINING_STATE)
    state = nested if isinstance(nested, Mapping) else loaded
    return WeightFile({str(k): v for k, v in state.items() if isinstance(v, torch.Tensor)})


def _reason(error: Exception) -> str:
    """Say in one line what a library found; some of its errors have a name only."""
    # torch puts its unpickler's own words behind a page on how to load a file unsafely.
    own = error.__context__ if isinstance(error, pickle.UnpicklingError) else None
    found = own or error
    text = str(found).partition("\n")[0].partition(". ")[0]
    return f"{type(found).__name__}: {text}"[:REASON_LENGTH].removesuffix(": ")
