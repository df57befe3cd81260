"""The folder of shards: which job it belongs to, and which shards are of the present input."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from geograph_types.archive.items import InputItem, Shard, write_shards
from geograph_types.archive.job import JobNote
from geograph_types.archive.shard_file import kept_note
from geograph_types.errors import InputError, OutputError
from geograph_types.files.atomic import new_file, sync_folder

SHARD_NAME: Final = re.compile(r"part-[0-9]{6,}-[0-9a-f]{12}\.parquet")
UNFINISHED: Final = re.compile(r"\.(part-|\.inputs\.msgpack).*\.part")
"""What a process that was killed while it wrote leaves."""


def lists_of(output: Path) -> Path:
    """Return the path of the file that lists each shard's inputs during a run."""
    return output / ".inputs.msgpack"


def claim_output(output: Path, note: JobNote) -> None:
    """Make the folder, or check that its shards are this job's.

    They keep the note themselves: polars opens no folder with a file of another kind in it.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
        names = sorted(entry.name for entry in output.iterdir() if entry.name[0] != ".")
    except OSError as error:
        raise OutputError(output, error.strerror or str(error)) from None
    shards = (output / name for name in names if SHARD_NAME.fullmatch(name))
    kept = next(filter(None, map(kept_note, shards)), None)
    if names and kept is None:
        raise InputError(f"{output} has other files ({names[0]}): name a new or an empty folder")
    if kept and kept != note:
        old, new = msgspec.structs.asdict(kept), msgspec.structs.asdict(note)
        was = [f"{name} {value}" for name, value in old.items() if value != new[name]]
        raise InputError(
            f"{output} has the shards of another job ({', '.join(was)}): name another folder"
        )


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
    """Remove unfinished files, and shards of inputs that are no longer so.

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
    for name in [*([] if has_shrunk else old), *unfinished]:
        (output / name).unlink(missing_ok=True)
    sync_folder(output)
    return old, not has_shrunk
