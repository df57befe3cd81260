"""Inputs in their order, grouped into shards whose names depend on these inputs alone."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from geograph_types.distance.coordinates import Coordinates
from geograph_types.distance.distance import Distance
from geograph_types.distance.grid import Grid, GridPosition
from geograph_types.distance.sources import Place, Places
from geograph_types.errors import InputError
from geograph_types.photos.labels import PhotoLabels

DIGITS_OF_NAME: Final = 12


class Known(msgspec.Struct, frozen=True, array_like=True):
    """What a labels file says of a photo.

    Attributes:
        gridimage_id: its number.
        types: comma-separated raw tags.
        camera: where it stood; grid (empty for latitude and longitude) and three numbers.
        subject: where it was.
        metres: the distance, where it is stated.
        error: why distance or positions cannot be used.
    """

    gridimage_id: int
    types: str
    camera: tuple[str, float, float, float] | None
    subject: tuple[str, float, float, float] | None
    metres: float | None
    error: str | None

    @classmethod
    def of(cls, record: PhotoLabels) -> "Known":
        """Take what tagging needs of a record."""
        where = record.places
        return cls(
            record.gridimage_id,
            record.types,
            _packed(where.camera),
            _packed(where.subject),
            where.metres,
            record.error,
        )

    def record(self, photo: Path) -> PhotoLabels:
        """Give the record again, for a photo at a path."""
        where = Places(_place(self.camera), _place(self.subject), self.metres)
        unused = Distance.unknown()
        return PhotoLabels(
            photo, self.gridimage_id, self.types, where, unused, 1.0, "tra", self.error
        )


class InputItem(msgspec.Struct, frozen=True, array_like=True):
    """One photo, or one file of embeddings.

    Attributes:
        raw_name: its path from the input's folder; bytes, since a name need not be UTF-8.
        size: bytes.
        modified: when it was changed, in nanoseconds since 1970.
        known: what a labels file says of it.
    """

    raw_name: bytes
    size: int
    modified: int
    known: Known | None = None

    @property
    def name(self) -> str:
        """Its path as Python has it: bytes that are not UTF-8 are surrogates."""
        return os.fsdecode(self.raw_name)


class Shard(msgspec.Struct, frozen=True):
    """A run of consecutive inputs, and where they are listed.

    Attributes:
        index: of the shard, from 0.
        digest: SHA-256 of its inputs' names, sizes, times and labels.
        items: how many inputs.
        start: where its list begins in the file of all lists.
        length: of the list in bytes.
    """

    index: int
    digest: str
    items: int
    start: int
    length: int

    @property
    def file_name(self) -> str:
        """Name of its file; it depends on the inputs alone."""
        return f"part-{self.index:06}-{self.digest[:DIGITS_OF_NAME]}.parquet"


def write_shards(items: Iterable[InputItem], size: int, lists: BinaryIO) -> Iterator[Shard]:
    """Group inputs, and write each group's list to a file; only one group is in memory.

    Args:
        items: in their order.
        size: of a shard, 1 or more.
        lists: the file, from which `read_items` reads.
    """
    remaining = iter(items)
    index = start = 0
    while group := list(islice(remaining, size)):
        encoded = msgspec.msgpack.encode(group)
        lists.write(encoded)
        digest = hashlib.sha256(encoded).hexdigest()
        yield Shard(index, digest, len(group), start, len(encoded))
        index, start = index + 1, start + len(encoded)


def read_items(lists: Path, shard: Shard) -> list[InputItem]:
    """Read the inputs of one shard.

    Raises:
        InputError: they are not there any more: another run has listed its own.
        OSError: the file cannot be read.
    """
    with lists.open("rb") as stream:
        stream.seek(shard.start)
        encoded = stream.read(shard.length)
    if hashlib.sha256(encoded).hexdigest() != shard.digest:
        raise InputError(f"{lists} was written anew: let one run at a time use this output")
    return msgspec.msgpack.decode(encoded, type=list[InputItem])


def _packed(place: Place | None) -> tuple[str, float, float, float] | None:
    if place is None:
        return None
    if isinstance(place, GridPosition):
        return place.grid.value, place.easting, place.northing, place.figures
    return "", place.latitude, place.longitude, place.accuracy_metres


def _place(packed: tuple[str, float, float, float] | None) -> Place | None:
    if packed is None:
        return None
    grid, *numbers = packed
    return GridPosition(Grid(grid), *map(int, numbers)) if grid else Coordinates(*numbers)
