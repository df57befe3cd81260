"""The archive of a checkpoint in the zip form of `torch.save`, with every size checked first."""

import re
import struct
import zipfile
from dataclasses import dataclass
from io import BytesIO
from math import prod
from typing import Final

from geograph_types_trainer.checkpoint.pickle_outline import FormError, TensorOutline

ARCHIVE_LIMIT: Final = 8 << 20
"""Bytes; the released files, with their optimizer's state, have 1.7 million."""
PICKLE_LIMIT: Final = 64 << 10
"""Bytes; the released files' pickles have 2358."""
ENTRY_LIMIT: Final = 100
"""Files in the archive; the released ones have 26."""

ZIP_MAGIC: Final = b"PK\x03\x04"
PICKLE_MAGIC: Final = b"\x80"
FLOAT_BYTES: Final = 4
MOST_DIMENSIONS: Final = 2
ENCRYPTED: Final = 1

STORAGE_NAME: Final = re.compile(r"data/[0-9]{1,4}")
SIDE_NAMES: Final = frozenset(
    {"version", "byteorder", ".format_version", ".storage_alignment", ".data/serialization_id"}
)
"""Entries that say how the archive was written and hold no pickle."""


@dataclass(frozen=True, slots=True)
class CheckpointArchive:
    """The parts of a checkpoint that are used, read and checked.

    Attributes:
        pickle: bytes of `data.pkl`.
        storages: bytes of each storage, by its key.
    """

    pickle: bytes
    storages: dict[str, bytes]

    def check_tensors(self, tensors: tuple[TensorOutline, ...]) -> None:
        """Hold every described tensor to the bytes that there are, before torch allocates it.

        Raises:
            FormError: a tensor that is not exactly one whole storage, in order.
        """
        for tensor in tensors:
            name = f"data/{tensor.storage.key}"
            present = self.storages.get(tensor.storage.key)
            if present is None:
                raise FormError(f"its pickle names {name}, which the archive does not have")
            if len(tensor.shape) > MOST_DIMENSIONS:
                raise FormError(f"a tensor has {len(tensor.shape)} dimensions")
            declared = tensor.storage.count * FLOAT_BYTES
            if declared != len(present):
                raise FormError(f"{name} has {len(present)} bytes, and its pickle says {declared}")
            steps = tuple(prod(tensor.shape[i + 1 :]) for i in range(len(tensor.shape)))
            if prod(tensor.shape) != tensor.storage.count or tensor.offset != 0:
                raise FormError(
                    f"a tensor of shape {tensor.shape} at {tensor.offset} does not fill {name} "
                    f"({tensor.storage.count} numbers)"
                )
            if tensor.stride != steps and tensor.storage.count > 1:
                raise FormError(f"a tensor of shape {tensor.shape} has the strides {tensor.stride}")

    def rebuilt(self) -> BytesIO:
        """Write a fresh archive of the checked parts.

        Whoever reads this one cannot take another file for `data.pkl` than the one that was
        checked, however the archive it came from was crafted.
        """
        stream = BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("archive/data.pkl", self.pickle)
            archive.writestr("archive/byteorder", "little")
            for key, data in self.storages.items():
                archive.writestr(f"archive/data/{key}", data)
            archive.writestr("archive/version", "3\n")
        stream.seek(0)
        return stream


def open_archive(data: bytes) -> CheckpointArchive:
    """Read the parts of a checkpoint from its archive.

    Args:
        data: the whole file, at most `ARCHIVE_LIMIT` bytes.

    Raises:
        FormError: not the zip form, damaged, compressed, too large, or with entries that the
            released form does not have.
    """
    if not data:
        raise FormError("it is empty")
    if data.startswith(PICKLE_MAGIC):
        raise FormError("it is in the legacy form (a bare pickle), and only the zip form is read")
    if not data.startswith(ZIP_MAGIC):
        raise FormError("it is no zip archive, and only the zip form of torch.save is read")
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            names = _check_listing(archive.infolist(), len(data))
            parts = {name: archive.read(entry) for name, entry in names.items()}
    except FormError:
        raise
    except (zipfile.BadZipFile, EOFError, RuntimeError, ValueError, struct.error) as error:
        raise FormError(f"its archive is damaged ({error})") from None
    if parts.get("byteorder", b"little") != b"little":
        raise FormError(f"its byte order is {parts['byteorder'][:10]!r}, not little")
    storages = {
        name.removeprefix("data/"): part
        for name, part in parts.items()
        if STORAGE_NAME.fullmatch(name)
    }
    return CheckpointArchive(parts["data.pkl"], storages)


def _check_listing(entries: list[zipfile.ZipInfo], size: int) -> dict[str, zipfile.ZipInfo]:
    """Give the entries by their names without the archive's own folder, none of them read yet."""
    if len(entries) > ENTRY_LIMIT:
        raise FormError(f"its archive has {len(entries)} files, more than {ENTRY_LIMIT}")
    roots = {entry.filename.partition("/")[0] for entry in entries}
    if len(roots) != 1:
        raise FormError(f"its archive has {len(roots)} folders instead of one")
    names: dict[str, zipfile.ZipInfo] = {}
    for entry in entries:
        name = entry.filename.partition("/")[2]
        if name != "data.pkl" and name not in SIDE_NAMES and not STORAGE_NAME.fullmatch(name):
            raise FormError(
                f"its archive holds {entry.filename!r}, which the released form does not"
            )
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
