"""A dataset's counts as a table for a terminal."""

from collections.abc import Iterable, Sequence

from geograph_types.distance.distance import BUCKET_COUNT, bucket_text
from geograph_types.photos.labels import SPLITS
from geograph_types.taxonomy import CLASSES, RAW_TAGS
from geograph_types_trainer.dataset.stats import DatasetStats


def stats_table(stats: DatasetStats) -> str:
    """Write the counts as lines of text, a column a split."""
    lines = [
        _line("", [*SPLITS, "all"]),
        _line("rows", stats.rows),
        "",
        "labels",
        *map(_line, CLASSES, stats.classes.T),
        _line("of From Drone, by From Above alone", stats.pseudo_drone),
        "",
        "raw tags",
        *map(_line, RAW_TAGS, stats.raw_tags.T),
        "",
        "distance in metres, up to twice as much",
        *(_line(bucket_text(bucket), stats.buckets[:, bucket]) for bucket in range(BUCKET_COUNT)),
        "",
        "weights",
        *(_line(f"{weight:g}", counts) for weight, counts in stats.weights.items()),
        "",
        f"embeddings in several rows: {stats.vectors.anywhere:,}; "
        f"in several splits: {stats.vectors.between_splits:,}",
    ]
    if stats.bad.rows:
        lines += ["", "bad rows, left out"]
        lines += [f"  {fault:<38}{count:>12,}" for fault, count in stats.bad.counts.items()]
    return "\n".join(lines) + "\n"


def _line(name: str, values: Iterable[object]) -> str:
    """Write one line; three counts get their sum beside them."""
    cells: Sequence[object] = list(values)
    if len(cells) == len(SPLITS):
        counts = [int(str(cell)) for cell in cells]
        cells = [f"{count:,}" for count in [*counts, sum(counts)]]
    return f"  {name:<36}" + "".join(f"{cell!s:>12}" for cell in cells)
