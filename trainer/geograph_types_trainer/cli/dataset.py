"""The commands `dataset convert`, `dataset stats` and `dataset sample`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import click

from geograph_types.cli.notices import note
from geograph_types.cli.options import check_outputs, output_path
from geograph_types_trainer.cli.bad_rows import status_of_bad_rows

if TYPE_CHECKING:
    from geograph_types_trainer.dataset.source import BadLines

EXISTING: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
SHOWN_LINES: Final = 8


@click.group(epilog="Example: geograph-types dataset convert types.jsonl.gz types.parquet")
def dataset() -> None:
    """Convert, describe or sample a dataset."""


@dataset.command(epilog="Example: geograph-types dataset convert types.jsonl.gz types.parquet")
@click.argument("source", type=EXISTING)
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
def convert(
    source: Path, target: Path, embedding_type: Literal["float16", "float32"], max_bad: float
) -> int:
    """Write SOURCE, JSON Lines in the published schema, to the Parquet file TARGET.

    Bad rows are left out and counted by reason; the exit status is then 1.
    """
    from geograph_types_trainer.dataset.convert import convert_dataset

    check_outputs([target], [source])
    with _progress_bar(f"converting {source.name}") as on_progress:
        conversion = convert_dataset(source, target, embedding_type, max_bad, on_progress)
    note(f"{target}: {conversion.rows} rows")
    _show_bad_lines(conversion.bad_lines)
    return 1 if conversion.bad_lines else 0


@dataset.command(epilog="Example: geograph-types dataset stats types.parquet --picture types.png")
@click.argument("data", type=EXISTING)
@click.option("--picture", type=output_path, help="PNG file to draw.")
def stats(data: Path, picture: Path | None) -> int:
    """Count classes, distances and weights of DATA by split, and photos that leak between splits.

    DATA is Parquet or JSON Lines. The exit status is 1 where photos leak or some rows cannot be
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
    leaks = measured.ids.between_splits or measured.vectors.between_splits
    return max(status_of_bad_rows(measured.bad_rows, data), 1 if leaks else 0)


@dataset.command(
    epilog="Example: geograph-types dataset sample all.parquet few.parquet --rows 9000"
)
@click.argument("source", type=EXISTING)
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

    All rows of classes below 2 % are kept, the others by split and labels in proportion. The exit
    status is 1 where some rows cannot be used.
    """
    from geograph_types_trainer.dataset.sample import sample_dataset

    check_outputs([target], [source])
    chosen = sample_dataset(source, target, rows, seed)
    note(f"{target}: {rows} rows, {chosen.rare_rows} of them of rare classes")
    return status_of_bad_rows(chosen.bad_rows, source)


def _show_bad_lines(bad_lines: "BadLines") -> None:
    for fault, lines in sorted(bad_lines.items()):
        numbers = ", ".join(str(line) for line in lines[:SHOWN_LINES])
        more = ", ..." if len(lines) > SHOWN_LINES else ""
        note(f"left out, {fault.value}: {len(lines)} (line {numbers}{more})")


@contextmanager
def _progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show bytes read on a terminal, nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn(what), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, size: bar.update(task, completed=done, total=size)
