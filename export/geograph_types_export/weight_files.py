"""Read the tensors of a weights file, whatever form it has, running none of what it may carry."""

import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import safetensors
import safetensors.torch
import torch

from geograph_types_export.errors import WeightsError
from geograph_types_export.torchscript import is_script_archive, read_script_archive

__all__ = ["WeightFile", "read_weight_file"]

ZIP: Final = b"PK\x03\x04"
PICKLE: Final = b"\x80"
LFS_POINTER: Final = b"version https://git-lfs"
SAFETENSORS_HEADER: Final = slice(8, 9)
"""Its JSON header starts after eight bytes of length."""

FETCH_AGAIN: Final = "fetch the file again, in full"


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
    """Read a state dict (`torch.save`), a TorchScript archive, or safetensors.

    The form is told by the contents, not by the name.

    Raises:
        WeightsError: missing, unreadable, cut off, or no weights file.
    """
    source = str(path)
    try:
        with path.open("rb") as file:
            start = file.read(64)
        if not start:
            raise WeightsError(source, f"the file is empty; {FETCH_AGAIN}")
        if start.startswith(LFS_POINTER):
            raise WeightsError(source, "this is a Git LFS pointer; run 'git lfs pull' beside it")
        if start.startswith(ZIP):
            return _read_zip(path)
        if start.startswith(PICKLE):
            return _read_pickle(path)
        if start[SAFETENSORS_HEADER] == b"{":
            return WeightFile(safetensors.torch.load_file(path))
    except FileNotFoundError:
        raise WeightsError(
            source,
            "there is no such file; give a path, 'openai', 'random:SEED' or 'auto'",
        ) from None
    except OSError as error:
        raise WeightsError(source, f"cannot be read ({error.strerror or error})") from None
    except (zipfile.BadZipFile, safetensors.SafetensorError, EOFError, KeyError) as error:
        raise WeightsError(
            source, f"the file is cut off or damaged ({_one_line(error)}); {FETCH_AGAIN}"
        ) from None
    raise WeightsError(
        source,
        "this is no weights file; give a .pt or .pth state dict, OpenAI's TorchScript archive, "
        "or .safetensors",
    )


def _read_zip(path: Path) -> WeightFile:
    with zipfile.ZipFile(path) as archive:
        if not is_script_archive(archive):
            return _read_pickle(path)
        try:
            script = read_script_archive(archive)
        except (pickle.UnpicklingError, TypeError, ValueError, RuntimeError) as error:
            raise WeightsError(
                str(path), f"this archive is refused: {_one_line(error)}; {FETCH_AGAIN}"
            ) from None
    return WeightFile(script.tensors, script.modules)


def _read_pickle(path: Path) -> WeightFile:
    """Read what `torch.save` wrote, old form or new, with tensors and plain values only."""
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, ValueError) as error:
        raise WeightsError(
            str(path),
            f"this is cut off, damaged, or more than tensors ({_one_line(error)}); {FETCH_AGAIN}, "
            "or save its state dict alone",
        ) from None
    if not isinstance(loaded, Mapping):
        raise WeightsError(str(path), "this holds no state dict; save model.state_dict() alone")
    return WeightFile({str(k): v for k, v in loaded.items() if isinstance(v, torch.Tensor)})


def _one_line(error: Exception) -> str:
    lines = str(error).split("\n")
    return lines[0][:160]
