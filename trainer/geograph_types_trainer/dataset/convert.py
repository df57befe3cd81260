"""The published dataset as Parquet, four times as fast to load and half the size."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from geograph_types.errors import InputError
from geograph_types.stored.parquet import EmbeddingType, new_dataset
from geograph_types_trainer.dataset.source import (
    DEFAULT_MAX_BAD,
    BadLines,
    DatasetSource,
    digest_of,
)

OnProgress: TypeAlias = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Conversion:
    """What became of a file's rows."""

    rows: int  # written
    bad_lines: BadLines  # line numbers of those left out, from 1, by reason


def convert_dataset(
    source: Path,
    target: Path,
    embedding_type: EmbeddingType = "float16",
    max_bad: float = DEFAULT_MAX_BAD,
    on_progress: OnProgress = lambda done, size: None,
) -> Conversion:
    """Write the usable rows of JSON Lines to Parquet, in memory that does not grow with the file.

    The Parquet file keeps where it comes from and what was left out; see `dataset_metadata`.
    """
    reader = DatasetSource(source, max_bad)
    if reader.published is None:
        raise InputError(f"{source} is Parquet already: train on it as it is")
    with new_dataset(target, embedding_type) as writer:
        for batch in reader.batches(embedding_type):
            writer.write(batch)
            on_progress(reader.published.position, reader.published.size)
        if not writer.rows:
            raise InputError(f"{source} has no usable row")
        writer.metadata = {
            "source": source.name,
            "source_sha256": digest_of(source),
            "lines": reader.lines,
            "rows": writer.rows,
            "bad_lines": {fault.value: lines for fault, lines in reader.bad_lines.items()},
        }
        return Conversion(writer.rows, reader.bad_lines)
