"""Inputs in their order, grouped into shards whose names depend on these inputs alone."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

import msgspec

from geograph_types.distance.coordinates import Coordinates
from geograph_types.distance.distance import Distance
from geograph_types.distance.grid import Grid, GridPosition
from geograph_types.distance.sources import Place, Places
from geograph_types.errors import InputError
from geograph_types.photos.labels import PhotoLabels

DIGITS_OF_NAME: Final = 12

PackedPlace: TypeAlias = tuple[str, float, float, float]
"""A grid (empty for latitude and longitude) and three numbers."""


class ItemLabels(msgspec.Struct, frozen=True, array_like=True):
    """What a labels file says of a photo."""

    gridimage_id: int
    types: str  # comma-separated raw tags
    camera: PackedPlace | None
    subject: PackedPlace | None
    metres: float | None
    error: str | None  # why distance or positions cannot be used

    @classmethod
    def of(cls, labels: PhotoLabels) -> "ItemLabels":
        """Take what tagging needs of a photo's labels."""
        where = labels.places
        return cls(
            labels.gridimage_id,
            labels.types,
            _packed(where.camera),
            _packed(where.subject),
            where.metres,
            labels.error,
        )

    def as_labels(self, photo: Path) -> PhotoLabels:
        """Return the labels of the photo at a path."""
        where = Places(_place(self.camera), _place(self.subject), self.metres)
        unused = Distance.unknown()
        return PhotoLabels(
            photo, self.gridimage_id, self.types, where, unused, 1.0, "tra", self.error
        )


class InputItem(msgspec.Struct, frozen=True, array_like=True):
    """One photo, or one file of embeddings."""

    raw_name: bytes  # path from the input's folder; bytes, since a name need not be UTF-8
    size: int  # bytes
    modified: int  # nanoseconds since 1970
    labels: ItemLabels | None = None

    @property
    def name(self) -> str:
        """The path as Python has it: bytes that are not UTF-8 are surrogates."""
        return os.fsdecode(self.raw_name)


class Shard(msgspec.Struct, frozen=True):
    """A run of consecutive inputs, and where they are listed."""

    index: int
    digest: str  # SHA-256 of the inputs' names, sizes, times and labels
    items: int  # number of inputs
    start: int  # of its list in the file of all lists, in bytes
    length: int  # of that list, in bytes

    @property
    def file_name(self) -> str:
        """Name of its file; it depends on the inputs alone."""
        return f"part-{self.index:06}-{self.digest[:DIGITS_OF_NAME]}.parquet"


def write_shards(items: Iterable[InputItem], size: int, lists: BinaryIO) -> Iterator[Shard]:
    """Write each group of `size` inputs to a file of lists; only one group is in memory."""
    remaining = iter(items)
    index = start = 0
    while group := list(islice(remaining, size)):
        encoded = msgspec.msgpack.encode(group)
        lists.write(encoded)
        digest = hashlib.sha256(encoded).hexdigest()
        yield Shard(index, digest, len(group), start, len(encoded))
        index, start = index + 1, start + len(encoded)


def read_items(lists: Path, shard: Shard) -> list[InputItem]:
    """Read the inputs of one shard; an error if another run has replaced the lists."""
    with lists.open("rb") as stream:
        stream.seek(shard.start)
        encoded = stream.read(shard.length)
    if hashlib.sha256(encoded).hexdigest() != shard.digest:
        raise InputError(f"{lists} was replaced by another run: run one at a time for this output")
    return msgspec.msgpack.decode(encoded, type=list[InputItem])


def _packed(place: Place | None) -> PackedPlace | None:
    if place is None:
        return None
    if isinstance(place, GridPosition):
        return place.grid.value, place.easting, place.northing, place.figures
    return "", place.latitude, place.longitude, place.accuracy_metres


def _place(packed: PackedPlace | None) -> Place | None:
    if packed is None:
        return None
    grid, *numbers = packed
    return GridPosition(Grid(grid), *map(int, numbers)) if grid else Coordinates(*numbers)
