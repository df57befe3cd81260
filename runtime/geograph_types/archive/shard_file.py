"""A shard as a file: there in full or not at all, and recognised by what it was made of."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from geograph_types.archive.items import Shard
from geograph_types.archive.job import Job, JobNote
from geograph_types.errors import InputError, OutputError
from geograph_types.stored.shards import ShardCounts

if TYPE_CHECKING:
    from geograph_types.files.parquet_table import TableWriter

MAKER: Final = "geograph-types archive run"


def finished_counts(job: Job, shard: Shard) -> ShardCounts | None:
    """Return the counts of a finished shard that was made of this input with this bundle.

    Anything else of this name is to be made again, and gives `None`.
    """
    from geograph_types.stored.parquet import dataset_metadata

    path = job.output / shard.file_name
    if not path.exists():
        return None
    try:
        kept = dataset_metadata(path)
        if any(kept.get(name) != value for name, value in _provenance(job, shard).items()):
            return None
        return msgspec.convert(kept, ShardCounts)
    except (InputError, msgspec.ValidationError, ValueError):
        return None


def kept_note(shard: Path) -> JobNote | None:
    """Return which job made a shard; `None` if it cannot be read, so that it is made again."""
    from geograph_types.stored.parquet import dataset_metadata

    try:
        return msgspec.convert(dataset_metadata(shard).get("job"), JobNote)
    except (InputError, msgspec.ValidationError):
        return None


@contextmanager
def new_shard(job: Job, shard: Shard) -> Iterator["TableWriter"]:
    """Write a shard, whose file is there once the block ends without an error.

    The counts belong in the writer's `metadata`.
    """
    from geograph_types.files.parquet_table import new_table

    path = job.output / shard.file_name
    try:
        with new_table(path) as table:
            yield table
            note = {"job": msgspec.to_builtins(job.note)}
            table.metadata = {**table.metadata, **_provenance(job, shard), **note}
    except OSError as error:
        raise OutputError(path, error.strerror or str(error)) from None


def _provenance(job: Job, shard: Shard) -> dict[str, Any]:
    known = {"made_by": MAKER, "input_sha256": shard.digest, **job.made_by}
    return dict(json.loads(json.dumps(known)))  # as it comes back from the file
