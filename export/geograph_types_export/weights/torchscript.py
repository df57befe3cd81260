"""Read the tensors of a TorchScript archive, as OpenAI publishes CLIP, without running its code.

`torch.jit.load` compiles the archive's code and may run parts of it, so it is for trusted files
only. The tensors need none of that: the archive is a zip whose `data.pkl` describes a tree of
modules, and whose `data/` holds their storages. The pickle is read here with a list of allowed
globals; modules become plain records, and nothing from the archive is executed.

Source: PyTorch, `torch/csrc/jit/docs/serialization.md`.
"""

import pickle
import pickletools
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

import torch

MODULE_PREFIX: Final = "__torch__."
PICKLE: Final = "data.pkl"
MEMO_PLACES: Final = ("PUT", "LONG_BINPUT")
"""Opcodes that keep a value under a number of the pickle's own choice."""

STORAGES: Final = {
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "BoolStorage": torch.bool,
    "ByteStorage": torch.uint8,
}


@dataclass(frozen=True, slots=True)
class ScriptArchive:
    """What an archive holds.

    Attributes:
        tensors: by dotted path of the modules, as a state dict names them.
        modules: names of the modules' classes.
    """

    tensors: dict[str, torch.Tensor]
    modules: frozenset[str]


def is_script_archive(archive: zipfile.ZipFile) -> bool:
    """Tell TorchScript from the zip form of `torch.save`, which has no constants."""
    return any(name.endswith("/constants.pkl") for name in archive.namelist())


def read_script_archive(archive: zipfile.ZipFile) -> ScriptArchive:
    """Read every tensor of the module tree; of a module that is shared, under its first path.

    Raises:
        pickle.UnpicklingError: the archive names something else than modules and tensors.
        Exception: it is damaged; what `zipfile`, `pickle` and torch then raise is no closed list.
    """
    root = next(name for name in archive.namelist() if name.count("/") == 1).partition("/")[0]
    reader = _ModuleReader(archive, root)
    tree = reader.load()
    return ScriptArchive(dict(_walk(tree, "", set())), frozenset(reader.modules))


class _Module:
    """A module of the archive: its attributes, and no behaviour."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


class _ModuleReader(pickle.Unpickler):
    """Builds modules and tensors, and refuses every other global."""

    def __init__(self, archive: zipfile.ZipFile, root: str) -> None:
        pickled = archive.read(f"{root}/{PICKLE}")
        _check_memo(pickled)
        super().__init__(BytesIO(pickled))
        self._archive = archive
        self._folder = f"{root}/data"
        self.modules: set[str] = set()

    def find_class(self, module: str, name: str, /) -> Any:
        if module.startswith(MODULE_PREFIX) or module == MODULE_PREFIX.rstrip("."):
            self.modules.add(name)
            return _Module
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch.jit._pickle":
            return _first_argument
        raise pickle.UnpicklingError(f"it names {module}.{name}")

    def persistent_load(self, pid: Any, /) -> torch.Tensor:
        _, dtype, key, _, count = pid
        if not str(key).isdigit():
            raise pickle.UnpicklingError(f"it names a storage {key!r}")
        data = bytearray(self._archive.read(f"{self._folder}/{key}"))
        if len(data) != count * dtype.itemsize:
            raise pickle.UnpicklingError(f"storage {key} is not of its declared size")
        return torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)


def _check_memo(pickled: bytes) -> None:
    """Refuse numbers beyond the pickle's length: the unpickler fills a table up to the largest.

    Five bytes could make it take 64 GB.
    """
    for opcode, place, _ in pickletools.genops(pickled):
        if opcode.name in MEMO_PLACES and isinstance(place, int) and place > len(pickled):
            raise pickle.UnpicklingError(f"it keeps a value under the number {place}")


def _rebuild(
    storage: torch.Tensor, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *_: object
) -> torch.Tensor:
    return torch.as_strided(storage, shape, stride, offset)


def _first_argument(value: object, *_: object) -> object:
    """Stand for TorchScript's typed lists and tags, which carry their value first."""
    return value


def _walk(
    module: _Module, prefix: str, entered: set[_Module]
) -> Iterator[tuple[str, torch.Tensor]]:
    """Name the tensors by their paths, entering each module once: paths can double at each level.

    Args:
        module: where to start.
        prefix: its path, with the dot.
        entered: modules that were entered before; added to.
    """
    entered.add(module)
    for name, value in vars(module).items():
        if isinstance(value, torch.Tensor):
            yield prefix + name, value
        elif isinstance(value, _Module) and value not in entered:
            yield from _walk(value, f"{prefix}{name}.", entered)
