"""Where scores came from, as kept in their files; by it, finished shards are known again."""

from pathlib import Path
from typing import Any

import msgspec

from geograph_types.bundle import Bundle
from geograph_types.errors import InputError
from geograph_types.stored.files import RowFile
from geograph_types.stored.read import Distances


class ShardCounts(msgspec.Struct, frozen=True):
    """What became of a shard's rows."""

    rows: int  # failed ones too
    failed: dict[str, int]  # by reason


def provenance(
    bundle: Bundle, source: RowFile | None = None, distances: Distances | None = None
) -> dict[str, Any]:
    """Return all that scores depend on."""
    known: dict[str, Any] = {
        "model": bundle.label,
        "stand_in": bundle.is_stand_in,
        "head_sha256": bundle.find("head").sha256,
        "thresholds": msgspec.to_builtins(bundle.manifest.thresholds),
    }
    if source is not None:
        # A table that was written anew often has the same size: its time tells.
        status = source.path.stat()
        known |= {"source": source.name, "source_bytes": status.st_size}
        known["source_modified"] = status.st_mtime_ns
        known["distances_sha256"] = distances.sha256 if distances else None
    return known


def finished_shard(shard: Path, expected: dict[str, Any]) -> ShardCounts | None:
    """Return the counts of a shard that an earlier run finished; `None` if there is none."""
    if not shard.exists():
        return None
    from geograph_types.stored.parquet import dataset_metadata

    try:
        kept = dataset_metadata(shard)
    except InputError as error:
        raise InputError(f"{error}: remove it to make it again") from None
    differing = sorted(name for name in expected if kept.get(name) != expected[name])
    if differing:
        raise InputError(
            f"{shard} was made from something else (other {', '.join(differing)}): give another "
            "folder, or remove it to make it again"
        )
    return msgspec.convert(kept, ShardCounts)
