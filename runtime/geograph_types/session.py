"""Run ONNX graphs; the only module that imports onnxruntime."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from geograph_types.errors import BackendError, DeviceError, InputError
from geograph_types.files.private import private_file
from geograph_types.system.cpu import usable_cpus
from geograph_types.system.memory import return_freed_memory

Device: TypeAlias = Literal["auto", "cpu", "cuda"]

BACKENDS: Final = ("onnxruntime", "onnxruntime-gpu")
"""Distributions of the module `onnxruntime`; installed together they break each other."""

CUDA: Final = "CUDAExecutionProvider"
CPU: Final = "CPUExecutionProvider"

CUDA_OPTIONS: Final = {
    # Memory grows by what is needed, not to the next power of two.
    "arena_extend_strategy": "kSameAsRequested",
    # TF32 rounds products to 10 bits: fp32 would not be fp32.
    "use_tf32": "0",
}
"""Source: the CUDA execution provider's page in onnxruntime's documentation."""

PROBE: Final = (
    b'\x08\x08:7\n\x10\n\x01x\x12\x01y"\x08Identity\x12\x01p'
    b"Z\x0f\n\x01x\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01"
    b"b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01"
    b"B\x04\n\x00\x10\x11"
)
"""A whole ONNX model: y = x, one float. Source: `onnx.proto`, opset 17."""


def load_backend() -> ModuleType:
    """Import onnxruntime; a `BackendError` names what is wrong with its installation."""
    installed = [name for name in BACKENDS if _is_installed(name)]
    if len(installed) > 1:
        raise BackendError(
            "onnxruntime and onnxruntime-gpu are both installed and overwrite each other: "
            "pip uninstall -y onnxruntime onnxruntime-gpu, then pip install "
            "'geograph-types[cpu]' or 'geograph-types[gpu]'"
        )
    # onnxruntime 1.29 and later reports to its makers from the moment of its import, and the call
    # that stops it comes too late. Child processes inherit this.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime
    except ImportError as error:
        raise BackendError(
            f"onnxruntime cannot be imported ({error}): pip install 'geograph-types[cpu]', "
            "or 'geograph-types[gpu]' for CUDA"
        ) from None
    module: ModuleType = onnxruntime
    return module


def _is_installed(distribution: str) -> bool:
    try:
        metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


def available_providers() -> tuple[str, ...]:
    """Return the execution providers of the installed onnxruntime."""
    return tuple(load_backend().get_available_providers())


def pick_device(device: Device) -> Literal["cpu", "cuda"]:
    """Choose for "auto", which is CUDA if it can be loaded, and refuse a missing device."""
    providers = available_providers()
    match device:
        case "cpu":
            return "cpu"
        case "auto":
            return "cuda" if CUDA in providers and _cuda_loads() else "cpu"
        case "cuda" if CUDA in providers:
            return "cuda"
        case "cuda":
            raise DeviceError(
                device, providers, "pip install 'geograph-types[gpu]' in place of [cpu], or use cpu"
            )
    raise InputError(f"device {device!r} is not one of auto, cpu, cuda")


@cache
def _cuda_loads() -> bool:
    """Return whether CUDA can be used: onnxruntime lists it wherever it was built with it."""
    backend = load_backend()
    try:
        session = backend.InferenceSession(PROBE, providers=[CUDA, CPU])
    except Exception:  # of a dozen unrelated classes; asking for cuda names the cause
        return False
    return bool(session.get_providers()[0] == CUDA)


class Session:
    """One loaded graph on one device."""

    def __init__(
        self, model: bytes | Path, device: Device = "auto", threads: int | None = None
    ) -> None:
        """Load a graph that the caller has verified, or the private copy of one (`Bundle.model`).

        Weights in other files are refused: onnxruntime looks for them beside the model only, and
        there is nothing beside a private file. Bytes alone would let it read the current folder.
        `None` threads follow the CPU quota.
        """
        backend = load_backend()
        chosen = pick_device(device)
        options = backend.SessionOptions()
        options.intra_op_num_threads = threads or usable_cpus()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        providers = [(CUDA, CUDA_OPTIONS), CPU] if chosen == "cuda" else [CPU]
        try:
            with _as_private_file(model) as path:
                self._session = backend.InferenceSession(path, options, providers=providers)
        except Exception as error:  # onnxruntime raises a dozen unrelated classes
            raise BackendError(
                f"onnxruntime {backend.__version__} refuses the model: {str(error).splitlines()[0]}"
            ) from error
        loaded = tuple(self._session.get_providers())
        if device == "cuda" and loaded[0] != CUDA:
            raise DeviceError(
                device, loaded, "CUDA or cuDNN could not be loaded: see 'geograph-types doctor'"
            )
        return_freed_memory()
        self.device: Literal["cpu", "cuda"] = "cuda" if loaded[0] == CUDA else "cpu"

    def run(self, output: str, **inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Compute one output, by name, from every input by name."""
        return self.run_all([output], **inputs)[0]

    def run_all(self, outputs: Sequence[str], **inputs: NDArray[Any]) -> list[NDArray[np.float32]]:
        """Compute several outputs at once."""
        results: list[NDArray[np.float32]] = self._session.run(outputs, inputs)
        return results


@contextmanager
def _as_private_file(model: bytes | Path) -> Iterator[Path]:
    if isinstance(model, Path):
        yield model
        return
    with private_file() as (stream, path):
        stream.write(model)
        stream.flush()
        yield path
