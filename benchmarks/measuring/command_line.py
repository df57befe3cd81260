"""What the scripts of this folder share: options, lines about progress, errors."""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import click

from geograph_types.errors import GeographTypesError

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


def count_option(
    name: str, default: int, text: str, least: int = 1
) -> Callable[[Command], Command]:
    """Return an option that takes a whole number."""
    kind = click.IntRange(min=least)
    return click.option(name, type=kind, default=default, show_default=True, help=text)


def rounds_option(default: int) -> Callable[[Command], Command]:
    """Return the option `--rounds`, whose default each script chooses."""
    return count_option("--rounds", default, "In which each takes its turn.")


def say(line: str) -> None:
    """Write one line to standard error."""
    click.echo(line, err=True)


@contextmanager
def work_folder(work: Path | None) -> Iterator[Path]:
    """Return the folder that the user named, or one that is removed afterwards."""
    folder = work or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    finally:
        if work is None:
            shutil.rmtree(folder)


@contextmanager
def errors_as_lines() -> Iterator[None]:
    """End the script with a line in place of a traceback after one of the project's own errors."""
    try:
        yield
    except GeographTypesError as error:
        say(f"error: {error}")
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        say("error: interrupted")
        sys.exit(130)
