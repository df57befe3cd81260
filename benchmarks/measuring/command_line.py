"""What the scripts of this folder share: options, lines about progress, errors, results."""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import click
import msgspec

from geograph_types.errors import GeographTypesError
from geograph_types.files.atomic import new_file

Command: TypeAlias = Callable[..., Any]

DEFAULT_WORK = Path(__file__).parents[1] / "work"

weights_option = click.option(
    "--weights", default="random:0", show_default=True, help="As `export` takes them."
)
bundle_option = click.option(
    "--bundle",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Made of these weights; exported to the work folder otherwise, which takes minutes.",
)
work_option = click.option(
    "--work",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_WORK,
    help="Folder for files that are used again, some GB; benchmarks/work otherwise.",
)
own_work_option = click.option(
    "--work",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for files that are used again; a temporary one otherwise.",
)
json_option = click.option(
    "--json",
    "out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Every measurement, for machines.",
)


def rounds_option(default: int) -> Callable[[Command], Command]:
    """Give the option `--rounds`, of which each script has another default."""
    return click.option(
        "--rounds",
        type=click.IntRange(min=1),
        default=default,
        show_default=True,
        help="In which each takes its turn.",
    )


def say(line: str) -> None:
    """Say one line on standard error."""
    click.echo(line, err=True)


@contextmanager
def work_folder(work: Path | None) -> Iterator[Path]:
    """Give the folder that the user named, or one that is gone afterwards."""
    folder = work or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    finally:
        if work is None:
            shutil.rmtree(folder)


@contextmanager
def errors_as_lines() -> Iterator[None]:
    """End the script with a line in place of a traceback where the project's own errors come up."""
    try:
        yield
    except GeographTypesError as error:
        say(f"error: {error}")
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        say("error: interrupted")
        sys.exit(130)


def report(lines: Iterable[str], results: msgspec.Struct, out: Path | None) -> None:
    """Show the tables, and write the results if a file is asked for."""
    for line in lines:
        click.echo(line)
    write_json(results, out)


def write_json(results: object, out: Path | None) -> None:
    """Write results if a file is asked for; it is there in full or not at all."""
    if out is not None:
        with new_file(out) as stream:
            stream.write(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
