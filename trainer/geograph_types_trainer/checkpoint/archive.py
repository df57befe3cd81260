"""Read an archive of `torch.save` as plain values, trusting nothing in it.

It is a zip archive: a pickle describes tensors, whose numbers lie beside it. The directory of the
archive is checked before anything is read. The unpickler knows three names and builds nothing but
plain values and descriptions of tensors.
"""

import io
import pickle
import pickletools
import re
import struct
import zipfile
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

PICKLE_LIMIT: Final = 64 << 10
"""Bytes; the released files' pickles have 2358."""
ENTRY_LIMIT: Final = 100
"""Files in the archive; the released ones have 26."""
SHARED_TUPLES: Final = 16
"""Tuples that a pickle may use again. One of tuples of tuples takes for ever to be a key."""

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


class FormError(ValueError):
    """A part of a checkpoint that the released form does not have."""


def archive_parts(data: bytes) -> dict[str, bytes]:
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


class Storage(NamedTuple):
    """A block of float32 in the archive, as the pickle describes it."""

    key: str
    size: int  # in numbers


class Tensor(NamedTuple):
    """A tensor as the pickle describes it."""

    storage: Storage
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


def _tensor(*arguments: object) -> Tensor:
    match arguments:
        case (Storage() as storage, int(offset), tuple(shape), tuple(stride), bool(), {}):
            if all(type(n) is int and n >= 0 for n in (offset, *shape, *stride)):
                return Tensor(storage, offset, shape, stride)
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

    def persistent_load(self, pid: object, /) -> Storage:
        match pid:
            case ("storage", kind, str(key), str(), int(size)) if kind is FLOAT_STORAGE:
                return Storage(key, size)
        raise FormError("its pickle describes a storage in another way than the released form")


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


def unpickled(data: bytes) -> Mapping[str, object]:
    """Build what the pickle describes, which has to be one dictionary."""
    try:
        _check_opcodes(data)
        contents = _Unpickler(io.BytesIO(data)).load()
    except FormError:
        raise
    except Exception as error:  # an unpickler raises whatever damage leads it to
        raise FormError(f"its pickle is damaged ({error!r})") from None
    if not isinstance(contents, dict):
        raise FormError("its pickle does not hold a dictionary")
    return contents
