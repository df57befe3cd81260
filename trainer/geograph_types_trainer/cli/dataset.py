"""The commands `dataset convert`, `dataset stats` and `dataset sample`."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from geograph_types.cli.notices import note
from geograph_types.cli.options import check_outputs, existing_file, output_path
from geograph_types.cli.progress import track
from geograph_types_trainer.cli.bad_rows import report_bad_rows

if TYPE_CHECKING:
    from geograph_types.stored.batch import DatasetBatch, EmbeddingType


@click.group(epilog="Example: geograph-types dataset convert types.jsonl.gz types.parquet")
def dataset() -> None:
    """Convert, describe or sample a dataset."""


@dataset.command(epilog="Example: geograph-types dataset convert types.jsonl.gz types.parquet")
@click.argument("source", type=existing_file)
@click.argument("target", type=output_path)
@click.option(
    "--float16",
    "embedding_type",
    flag_value="float16",
    default="float16",
    help="Store embeddings in half the space (the default).",
)
@click.option(
    "--float32", "embedding_type", flag_value="float32", help="Store embeddings as they are."
)
@click.option(
    "--max-bad",
    type=click.FloatRange(0, 1),
    default=0.01,
    show_default=True,
    help="Share of bad rows that is left out; where more are bad, nothing is written.",
)
def convert(source: Path, target: Path, embedding_type: "EmbeddingType", max_bad: float) -> int:
    """Write SOURCE, a dataset as JSON Lines or Parquet, to the Parquet file TARGET.

    Parquet that other software wrote is brought into the published schema. Bad rows are left out
    and counted by reason; the exit status is then 1.
    """
    from geograph_types_trainer.dataset.convert import convert_dataset

    check_outputs([target], [source])

    def show(batches: "Iterable[DatasetBatch]", rows: int) -> "Iterable[DatasetBatch]":
        return track(batches, "rows", rows or None, lambda batch: len(batch.ids))

    rows, bad = convert_dataset(source, target, embedding_type, max_bad, show)
    note(f"{target}: {rows} rows")
    return report_bad_rows(bad.counts, source, bad.reasons)


@dataset.command(epilog="Example: geograph-types dataset stats types.parquet --picture types.png")
@click.argument("data", type=existing_file)
@click.option("--picture", type=output_path, help="PNG file to draw.")
def stats(data: Path, picture: Path | None) -> int:
    """Count classes, distances and weights of DATA by split, and photos that leak between splits.

    DATA is Parquet or JSON Lines. The exit status is 1 if photos leak or some rows cannot be
    used.
    """
    from geograph_types.files.atomic import new_file
    from geograph_types_trainer.dataset.stats import measure_dataset
    from geograph_types_trainer.dataset.stats_table import stats_table

    check_outputs([picture], [data])
    measured = measure_dataset(data)
    click.echo(stats_table(measured), nl=False)
    if picture is not None:
        from geograph_types_trainer.dataset.stats_picture import draw_stats

        with new_file(picture) as stream:
            stream.write(draw_stats(measured))
    status = report_bad_rows(measured.bad.counts, data, measured.bad.reasons)
    leaks = measured.vectors.between_splits > 0
    return max(status, int(leaks))


@dataset.command(
    epilog="Example: geograph-types dataset sample all.parquet few.parquet --rows 9000"
)
@click.argument("source", type=existing_file)
@click.argument("target", type=output_path)
@click.option("--rows", type=click.IntRange(min=1), required=True, help="Rows to write.")
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Another seed chooses other rows.",
)
def sample(source: Path, target: Path, rows: int, seed: int) -> int:
    """Write some rows of SOURCE to the Parquet file TARGET.

    Splits keep their shares, and so do labels in validation and test. In training, all rows of
    classes below 2 % are kept. The exit status is 1 if some rows cannot be used.
    """
    from geograph_types_trainer.dataset.sample import sample_dataset

    check_outputs([target], [source])
    rare_rows, bad = sample_dataset(source, target, rows, seed)
    note(f"{target}: {rows} rows, {rare_rows} training rows of rare classes among them")
    return report_bad_rows(bad.counts, source, bad.reasons)
