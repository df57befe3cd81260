"""Where scores came from, as kept in their files; by it, finished shards are known again."""

from pathlib import Path
from typing import Any

import msgspec

from geograph_types.bundle import Bundle
from geograph_types.errors import InputError
from geograph_types.row_files import RowFile

__all__ = ["ShardCounts", "finished_shard", "provenance"]


class ShardCounts(msgspec.Struct, frozen=True):
    """What became of a shard's rows.

    Attributes:
        rows: all of them.
        failed: those that could not be scored, by reason.
    """

    rows: int
    failed: dict[str, int]


def provenance(bundle: Bundle, source: RowFile | None = None) -> dict[str, Any]:
    """Say all that scores depend on.

    Args:
        bundle: its head's digest and thresholds decide the scores; its label is for people.
        source: the one file that was scored, if it is one.
    """
    known: dict[str, Any] = {
        "model": bundle.label,
        "stand_in": bundle.is_stand_in,
        "head_sha256": bundle.find("head").sha256,
        "thresholds": dict(bundle.manifest.thresholds),
    }
    if source is not None:
        known |= {"source": source.name, "source_bytes": source.path.stat().st_size}
    return known


def finished_shard(shard: Path, expected: dict[str, Any]) -> ShardCounts | None:
    """Look whether an earlier run has finished a shard.

    Args:
        shard: its file.
        expected: its provenance, were it made now.

    Returns:
        Its counts; `None` where there is no such shard.

    Raises:
        InputError: what is there was made otherwise, or is no file of scores.
    """
    if not shard.exists():
        return None
    from geograph_types.parquet import dataset_metadata

    kept = dataset_metadata(shard)
    differing = sorted(name for name in expected if kept.get(name) != expected[name])
    if differing:
        raise InputError(
            f"{shard} was made otherwise (another {', '.join(differing)}): give another folder, "
            "or remove it to make it again"
        )
    return msgspec.convert(kept, ShardCounts)
