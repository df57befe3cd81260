"""Read the image tower from a file, running nothing that the file may carry."""

import pickle
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import ml_dtypes  # noqa: F401  # teaches numpy bfloat16
import numpy as np
import safetensors
from numpy.typing import NDArray

from geograph_types.errors import GeographTypesError, MissingExtraError
from geograph_types_export import with_torch
from geograph_types_export.architecture import MODEL_NAME, TowerState, architecture_problem
from geograph_types_export.errors import WeightsError
from geograph_types_export.weights.keys import StoredTensor, by_open_clip_keys
from geograph_types_export.weights.openai import ARCHIVE_SHA256, FILE, REPOSITORY, file_sha256

ZIP: Final = b"PK\x03\x04"
PICKLE: Final = b"\x80"
LFS_POINTER: Final = b"version https://git-lfs"
SAFETENSORS_HEADER: Final = slice(8, 9)
"""Its JSON header starts after eight bytes of length."""
FLOATS: Final = frozenset({"F16", "BF16", "F32", "F64"})
"""Types that weights come in; the numbers of others (I8, F8_E4M3) mean nothing without a scale."""

FETCH_AGAIN: Final = "fetch the file again, in full"
REASON_LENGTH: Final = 160


def read_tower(path: Path) -> TowerState:
    """Read the tower's tensors in float32, by open_clip's keys.

    The file's form is told by its contents: safetensors, or what only torch reads (a state dict or
    checkpoint of `torch.save`, or OpenAI's own TorchScript archive).
    """
    start = _first_bytes(path)
    # Before the pickle: the length that a safetensors file starts with may begin like one.
    if start[SAFETENSORS_HEADER] == b"{":
        with _errors_named(path), safetensors.safe_open(path, "np") as file:
            tensors = {key: _stored(file, key) for key in file.keys()}  # noqa: SIM118
            return _tower(path, tensors)
    if start.startswith((ZIP, PICKLE)):
        with _errors_named(path):
            return _tower(path, _torch_tensors(path))
    raise WeightsError(str(path), _what_instead(start))


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(64)
    except FileNotFoundError:
        raise WeightsError(
            str(path), "there is no such file; give a path, 'openai', 'random:SEED' or 'auto'"
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
    return f"this is not a weights file; give {FILE} of {REPOSITORY}, or another .safetensors file"


def _stored(file: Any, key: str) -> StoredTensor:
    """Describe a tensor of a safetensors file, which is open for as long as it is read."""
    stored = file.get_slice(key)
    dtype = stored.get_dtype()

    def read() -> NDArray[np.float32]:
        if dtype not in FLOATS:
            raise ValueError(f"{key} is of the type {dtype}, not a float")
        values: NDArray[np.float32] = file.get_tensor(key).astype(np.float32)
        return values

    return StoredTensor(tuple(stored.get_shape()), read)


def _torch_tensors(path: Path) -> dict[str, StoredTensor]:
    script = zipfile.is_zipfile(path) and _is_script(path)
    if script and file_sha256(path) != ARCHIVE_SHA256:
        raise WeightsError(
            str(path),
            "this is a TorchScript archive other than OpenAI's own ViT-B-32.pt, and would run its "
            f"code; give {FILE} of {REPOSITORY}",
        )
    try:
        tensors = with_torch.read_torch_file(path, script=script)
    except MissingExtraError as error:
        raise WeightsError(
            str(path),
            f"only torch reads this form: pip install 'geograph-types[{error.extra}]', or give "
            f"{FILE} of {REPOSITORY}",
        ) from None
    return {
        key: StoredTensor(with_torch.shape_of(t), lambda t=t: with_torch.as_array(t))  # type: ignore[misc]
        for key, t in tensors.items()
    }


def _is_script(path: Path) -> bool:
    """Whether a file is TorchScript; the zip form of `torch.save` has no constants."""
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _tower(path: Path, tensors: Mapping[str, StoredTensor]) -> TowerState:
    tower = by_open_clip_keys(str(path), tensors)
    problem = architecture_problem({key: tensor.shape for key, tensor in tower.items()})
    if problem is not None:
        raise WeightsError(
            str(path),
            f"{problem}; give the weights of CLIP ViT-B/32 (open_clip's {MODEL_NAME})",
        )
    with np.errstate(over="ignore"):  # what is beyond float32 is infinite, and refused as such
        state = {key: np.ascontiguousarray(tensor.read()) for key, tensor in tower.items()}
    for key, values in state.items():
        if not np.isfinite(values).all():
            raise WeightsError(str(path), f"{key} holds NaN or infinity; fetch the file again")
    return state


@contextmanager
def _errors_named(path: Path) -> Iterator[None]:
    """Turn whatever damage leads a library to raise into one error that names the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch remarks on what damage looks like
            yield
    except GeographTypesError:
        raise
    # zipfile, pickle, torch and safetensors have no closed list: truncated and altered files gave
    # twelve classes, from struct.error to MemoryError.
    except Exception as error:
        raise WeightsError(
            str(path),
            f"the file is cut off, damaged, or holds more than floats ({_reason(error)}); "
            f"{FETCH_AGAIN}, or save its state dict alone",
        ) from error


def _reason(error: Exception) -> str:
    """Return in one line what a library found; some of its errors have a name only."""
    # torch puts its unpickler's own words behind a page on how to load a file unsafely.
    own = error.__context__ if isinstance(error, pickle.UnpicklingError) else None
    found = own or error
    text = str(found).partition("\n")[0].partition(". ")[0]
    return f"{type(found).__name__}: {text}"[:REASON_LENGTH].removesuffix(": ")
