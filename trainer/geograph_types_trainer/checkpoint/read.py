"""Read a head in the form that Geograph releases (`.pth`) as numpy arrays, trusting nothing in it.

A `.pth` file is a zip archive: a pickle describes tensors, whose numbers lie beside it. The
directory of the archive is checked before anything is read. The unpickler knows three names and
builds nothing but plain values and descriptions of tensors, each of which is held to the bytes that
there are.
"""

import hashlib
import io
import math
import pickle
import pickletools
import re
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geograph_types.distance.distance import BUCKET_COUNT, bucket_text
from geograph_types.embedding import EMBEDDING_DIMENSION
from geograph_types.errors import GeographTypesError
from geograph_types.taxonomy import CLASSES
from geograph_types_trainer.head_weights import (
    DISTANCE_DIMENSION,
    HeadWeights,
    head_problem,
    without_wrappers,
)

ARCHIVE_LIMIT: Final = 8 << 20
"""Bytes; the released files, with their optimizer's state, have 1.7 million."""
PICKLE_LIMIT: Final = 64 << 10
"""Bytes; the released files' pickles have 2358."""
ENTRY_LIMIT: Final = 100
"""Files in the archive; the released ones have 26."""
SHARED_TUPLES: Final = 16
"""Tuples that a pickle may use again. One of tuples of tuples takes for ever to be a key."""
REASON_LENGTH: Final = 200
"""Characters; reasons quote the file, and it may hold names of any length."""

ZIP_MAGIC: Final = b"PK\x03\x04"
PICKLE_MAGIC: Final = b"\x80"
ENCRYPTED: Final = 1
STORAGE_NAME: Final = re.compile(r"data/[0-9]{1,4}")
SIDE_NAMES: Final = frozenset(
    {"version", "byteorder", ".format_version", ".storage_alignment", ".data/serialization_id"}
)
"""Entries that say how the archive was written and hold no pickle."""

TUPLES: Final = frozenset({"EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"})
NAMING: Final = frozenset({"GLOBAL", "STACK_GLOBAL", "INST"})
OPCODES: Final = (
    TUPLES
    | NAMING
    | {"PROTO", "STOP", "MARK", "BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET"}
    | {"NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"}
    | {"BINUNICODE", "EMPTY_DICT", "SETITEM", "SETITEMS", "EMPTY_LIST", "APPEND", "APPENDS"}
    | {"REDUCE", "BUILD", "BINPERSID"}
)
"""Those that build plain values, and those by which tensors are described."""

DIST_MAP: Final[Mapping[str, int]] = {
    bucket_text(bucket): bucket for bucket in range(BUCKET_COUNT)
} | {"": 0}
"""Text of a distance to its row of the table; its 24 keys are why the table has 24 rows."""

MODEL: Final = "model_state_dict"
FORM: Final[Mapping[str, object]] = {
    "classes": list(CLASSES),
    "dist_map": DIST_MAP,
    "clip_dim": EMBEDDING_DIMENSION,
    "dist_embed_dim": DISTANCE_DIMENSION,
}
"""What every file of this form says beside its weights."""


class CheckpointError(GeographTypesError):
    """A checkpoint that is not of the released form; nothing of it was run."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"checkpoint {path} is refused: {reason[:REASON_LENGTH]}; get the file again from its "
            "publisher, or have it saved in the released form"
        )
        self.path = path
        self.reason = reason


class FormError(ValueError):
    """A part of a checkpoint that the released form does not have."""


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A head and what its file says of it."""

    weights: HeadWeights
    sha256: str  # of the file
    epoch: int | None  # in which it was saved, if the file says so
    loss: float | None  # at that time, if the file says so


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint of the released form."""
    data = _read(path)
    try:
        parts = _archive_parts(data)
        contents = _unpickled(parts["data.pkl"])
        weights = _weights(contents, parts)
        epoch, loss = _number(contents, "epoch", int), _number(contents, "loss", float)
    except FormError as error:
        raise CheckpointError(path, str(error)) from None
    return Checkpoint(weights, hashlib.sha256(data).hexdigest(), epoch, loss)


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise CheckpointError(path, "there is no such file")
    try:
        with path.open("rb") as stream:
            data = stream.read(ARCHIVE_LIMIT + 1)
    except OSError as error:
        raise CheckpointError(path, f"it cannot be read ({error.strerror})") from None
    if len(data) > ARCHIVE_LIMIT:
        raise CheckpointError(path, f"it is larger than {ARCHIVE_LIMIT} bytes")
    return data


def _archive_parts(data: bytes) -> dict[str, bytes]:
    """Read the archive's files, by their names without its own folder."""
    if not data:
        raise FormError("it is empty")
    if data.startswith(PICKLE_MAGIC):
        raise FormError("it is in the legacy form (a bare pickle), and only the zip form is read")
    if not data.startswith(ZIP_MAGIC):
        raise FormError("it is not a zip archive, and only the zip form of torch.save is read")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = _checked_entries(archive.infolist(), len(data))
            parts = {name: archive.read(entry) for name, entry in entries.items()}
    except FormError:
        raise
    except (zipfile.BadZipFile, EOFError, RuntimeError, ValueError, struct.error) as error:
        raise FormError(f"its archive is damaged ({error})") from None
    if parts.get("byteorder", b"little") != b"little":
        raise FormError(f"its byte order is {parts['byteorder'][:10]!r}, not little")
    return parts


def _checked_entries(entries: list[zipfile.ZipInfo], size: int) -> dict[str, zipfile.ZipInfo]:
    """Check what the directory says of every file, before one of them is read."""
    if len(entries) > ENTRY_LIMIT:
        raise FormError(f"its archive has {len(entries)} files, more than {ENTRY_LIMIT}")
    roots = {entry.filename.partition("/")[0] for entry in entries}
    if len(roots) != 1:
        raise FormError(f"its archive has {len(roots)} folders instead of one")
    names: dict[str, zipfile.ZipInfo] = {}
    for entry in entries:
        name = entry.filename.partition("/")[2]
        if name != "data.pkl" and name not in SIDE_NAMES and not STORAGE_NAME.fullmatch(name):
            raise FormError(f"its archive holds {entry.filename!r}, unlike the released form")
        if name in names:
            raise FormError(f"its archive has {name} twice")
        if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
            raise FormError(f"{name} is compressed ({entry.file_size} bytes once unpacked)")
        if entry.flag_bits & ENCRYPTED:
            raise FormError(f"{name} is encrypted")
        names[name] = entry
    total = sum(entry.file_size for entry in entries)
    if total > size:
        raise FormError(f"its archive says that it holds {total} bytes, and has {size}")
    if "data.pkl" not in names:
        raise FormError("its archive has no data.pkl")
    if names["data.pkl"].file_size > PICKLE_LIMIT:
        raise FormError(f"its pickle has more than {PICKLE_LIMIT} bytes")
    return names


class _Storage(NamedTuple):
    """A block of float32 in the archive, as the pickle describes it."""

    key: str
    size: int  # in numbers


class _Tensor(NamedTuple):
    """A tensor as the pickle describes it."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


class _StateDict(dict[str, object]):
    """Stands for `OrderedDict`, whose only attribute in checkpoints is torch's `_metadata`."""

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, dict) or set(state) != {"_metadata"}:
            raise FormError("its pickle sets other attributes than _metadata")


FLOAT_STORAGE: Final = object()


def _state_dict(*arguments: object) -> _StateDict:
    if arguments:
        raise FormError("its pickle calls collections.OrderedDict with other arguments than none")
    return _StateDict()


def _tensor(*arguments: object) -> _Tensor:
    match arguments:
        case (_Storage() as storage, int(offset), tuple(shape), tuple(stride), bool(), {}):
            if all(type(n) is int and n >= 0 for n in (offset, *shape, *stride)):
                return _Tensor(storage, offset, shape, stride)
    raise FormError("its pickle describes a tensor in another way than the released form")


GLOBALS: Final[Mapping[tuple[str, str], Any]] = {
    ("collections", "OrderedDict"): _state_dict,
    ("torch", "FloatStorage"): FLOAT_STORAGE,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
}


def _allowed(module: str, name: str) -> Any:
    if (module, name) not in GLOBALS:
        raise FormError(f"its pickle asks for '{module}.{name}'; three globals are allowed")
    return GLOBALS[module, name]


class _Unpickler(pickle.Unpickler):
    """Builds plain values and descriptions of tensors; nothing from the file is looked up."""

    def find_class(self, module: str, name: str, /) -> Any:
        return _allowed(module, name)

    def persistent_load(self, pid: object, /) -> _Storage:
        match pid:
            case ("storage", kind, str(key), str(), int(size)) if kind is FLOAT_STORAGE:
                return _Storage(key, size)
        raise FormError("its pickle describes a storage in another way than the released form")


def _unpickled(data: bytes) -> Mapping[str, object]:
    """Build what the pickle describes; it has to be one dictionary in the released form."""
    try:
        _check_opcodes(data)
        contents = _Unpickler(io.BytesIO(data)).load()
    except FormError:
        raise
    except Exception as error:  # an unpickler raises whatever damage leads it to
        raise FormError(f"its pickle is damaged ({error!r})") from None
    if not isinstance(contents, dict):
        raise FormError("its pickle does not hold a dictionary")
    if missing := [key for key in (MODEL, *FORM) if key not in contents]:
        raise FormError(f"it has no {', '.join(missing)}")
    for key, wanted in FORM.items():
        found = contents[key]
        if type(found) is not type(wanted) or found != wanted:
            raise FormError(f"its {key} is not the released one")
    return contents


def _check_opcodes(data: bytes) -> None:
    """Refuse what is not plain, or may take memory or time without end, before it is built."""
    end, before = -1, ""
    tuples: set[object] = set()
    shared = 0
    for opcode, argument, position in pickletools.genops(data):
        if opcode.name not in OPCODES:
            raise FormError(f"its pickle uses the opcode {opcode.name}")
        if opcode.name in ("GLOBAL", "INST"):
            _allowed(*str(argument).split(" ", 1))
        if opcode.name in ("BINPUT", "LONG_BINPUT"):
            # The unpickler makes a table up to the largest number, whatever it is.
            if isinstance(argument, int) and argument > len(data):
                raise FormError(f"its pickle keeps a value under the number {argument}")
            if before in TUPLES:
                tuples.add(argument)
        shared += opcode.name in ("BINGET", "LONG_BINGET") and argument in tuples
        end, before = position or 0, opcode.name
    if end != len(data) - 1:
        raise FormError("its pickle is followed by other data")
    if shared > SHARED_TUPLES:
        raise FormError(f"its pickle uses tuples again {shared} times")


def _weights(contents: Mapping[str, object], parts: Mapping[str, bytes]) -> HeadWeights:
    state = contents[MODEL]
    if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
        raise FormError(f"its {MODEL} is not a dictionary of names")
    tensors = without_wrappers(state)
    for name, value in tensors.items():
        if not isinstance(value, _Tensor):
            raise FormError(f"its {name} is not a tensor")
    problem = head_problem({name: tensor.shape for name, tensor in tensors.items()}, False)
    if problem is not None:
        raise FormError(problem)
    return {name: _array(name, tensor, parts) for name, tensor in tensors.items()}


def _array(name: str, tensor: _Tensor, parts: Mapping[str, bytes]) -> NDArray[np.float32]:
    """Read a tensor, which has to be exactly one whole storage, in order."""
    place = f"data/{tensor.storage.key}"
    if place not in parts:
        raise FormError(f"its pickle names {place}, which the archive does not have")
    declared = tensor.storage.size * np.dtype(np.float32).itemsize
    if declared != len(parts[place]):
        raise FormError(f"{place} has {len(parts[place])} bytes, and its pickle says {declared}")
    if math.prod(tensor.shape) != tensor.storage.size or tensor.offset != 0:
        raise FormError(
            f"its {name} of shape {tensor.shape} at {tensor.offset} does not fill {place} "
            f"({tensor.storage.size} numbers)"
        )
    steps = tuple(math.prod(tensor.shape[i + 1 :]) for i in range(len(tensor.shape)))
    if tensor.stride != steps:
        raise FormError(f"its {name} of shape {tensor.shape} has the strides {tensor.stride}")
    values = np.frombuffer(parts[place], "<f4").reshape(tensor.shape)
    if not np.isfinite(values).all():
        raise FormError(f"its {name} holds NaN or infinity")
    return values.astype(np.float32)


def _number(contents: Mapping[str, object], key: str, kind: type[Any]) -> Any:
    """Return a number of the bookkeeping; `None` if the file has something else there."""
    value: Any = contents.get(key)
    if type(value) is not kind:
        return None
    if not math.isfinite(value) or (kind is int and value < 0):
        raise FormError(f"its {key} is {value}")
    return value
