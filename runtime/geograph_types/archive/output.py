"""The folder of shards: which job it belongs to, and which shards are of the present input."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from geograph_types.archive.items import InputItem, Shard, write_shards
from geograph_types.archive.job import InputKind
from geograph_types.errors import InputError, OutputError
from geograph_types.files.atomic import new_file, sync_folder
from geograph_types.system.hosts import shown_address

NOTE: Final = "_job.json"
"""With an underscore, for pyarrow, pandas, DuckDB and Spark pass over such names in a folder."""

SHARD_NAME: Final = re.compile(r"part-[0-9]{6,}-[0-9a-f]{12}\.parquet")
UNFINISHED: Final = re.compile(r"\.(part-|\.inputs\.msgpack).*\.part")
"""What a process that was killed while it wrote leaves."""


class JobNote(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the shards of a folder are made of; kept in it as `_job.json`."""

    kind: InputKind
    input: str  # folder or address, without anything secret
    shard_size: int  # inputs per shard

    @classmethod
    def of(cls, kind: InputKind, source: str, shard_size: int) -> "JobNote":
        """Return the note of a job."""
        plain = shown_address(source)
        return cls(kind, plain if "://" in plain else str(Path(plain).resolve()), shard_size)


def lists_of(output: Path) -> Path:
    """Return the path of the file that lists each shard's inputs during a run."""
    return output / ".inputs.msgpack"


def claim_output(output: Path, note: JobNote) -> None:
    """Make the folder, or check that it is this job's."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        path = output / NOTE
        if path.exists():
            _check(path, note)
        elif others := sorted(entry.name for entry in output.iterdir() if entry.name[0] != "."):
            raise InputError(
                f"{output} has other files ({others[0]}): name a new or an empty folder"
            )
        else:
            with new_file(path) as stream:
                stream.write(msgspec.json.format(msgspec.json.encode(note), indent=1) + b"\n")
    except OSError as error:
        raise OutputError(output, error.strerror or str(error)) from None


def _check(path: Path, note: JobNote) -> None:
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=JobNote)
    except msgspec.DecodeError as error:
        raise InputError(
            f"{path} is not the note of a job ({error}): remove it if {path.parent} has this "
            "job's shards, or name another folder"
        ) from None
    differing = [name for name in JobNote.__struct_fields__ if _differs(kept, note, name)]
    if differing:
        was = ", ".join(f"{name} {getattr(kept, name)}" for name in differing)
        raise InputError(
            f"{path.parent} has the shards of another job ({was}): name another folder, "
            f"or remove {path.name} there to have this job take over"
        )


def _differs(kept: JobNote, note: JobNote, name: str) -> bool:
    return bool(getattr(kept, name) != getattr(note, name))


def plan_shards(output: Path, items: Iterable[InputItem], shard_size: int) -> list[Shard]:
    """Write the list of inputs, shard by shard, where every process finds it."""
    try:
        with new_file(lists_of(output)) as stream:
            shards = list(write_shards(items, shard_size, stream))
            if not shards:
                raise InputError("the input is empty: name a folder with photos or embeddings")
    except OSError as error:
        raise OutputError(lists_of(output), error.strerror or str(error)) from None
    return shards


def remove_superseded(output: Path, shards: Sequence[Shard], found: int) -> tuple[list[str], bool]:
    """Remove the list of inputs, unfinished files, and shards of inputs that are no longer so.

    To be called when all shards are there. If there are fewer than before, the input has shrunk,
    perhaps because a disk is not mounted: then no shard is removed.

    Returns names of superseded shards, and whether they were removed; `found` counts the shards
    that an earlier run had finished.
    """
    current = {shard.file_name for shard in shards}
    names = sorted(path.name for path in output.iterdir())
    old = [name for name in names if SHARD_NAME.fullmatch(name) and name not in current]
    unfinished = [name for name in names if UNFINISHED.fullmatch(name)]
    has_shrunk = len(shards) < found + len(old)
    for name in [*([] if has_shrunk else old), *unfinished, lists_of(output).name]:
        (output / name).unlink(missing_ok=True)
    sync_folder(output)
    return old, not has_shrunk
