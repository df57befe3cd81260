"""Options that several commands share, so that they read alike everywhere."""

import math
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import click

from geograph_types.errors import InputError
from geograph_types.photos.find import real_path

Decorator: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]

any_path = click.Path(path_type=Path)
"""The command itself checks whether it exists, and what it is."""
output_path = click.Path(path_type=Path, dir_okay=False)
existing_file = click.Path(path_type=Path, exists=True, dir_okay=False)


def output_option(name: str, description: str, required: bool = False) -> Decorator:
    """Return an option for a file that is written."""
    return click.option(name, type=output_path, metavar="FILE", required=required, help=description)


def results_option(required: bool) -> Decorator:
    """Return `--out` for results of photos."""
    text = "Write results here: FILE.jsonl, FILE.csv or FILE.parquet."
    return output_option("--out", text, required)


def labels_option(description: str, required: bool = False) -> Decorator:
    """Return `--labels`, a table with what is known of photos."""
    return click.option(
        "--labels", type=any_path, metavar="CSV", required=required, help=description
    )


def choice_option(name: str, choices: Sequence[str], description: str) -> Decorator:
    """Return an option with these values, of which the first is the default."""
    return click.option(name, type=click.Choice(choices), default=choices[0], help=description)


bundle_option = click.option(
    "--bundle", type=any_path, required=True, metavar="DIR", help="The model bundle's folder."
)
device_option = choice_option("--device", ["auto", "cpu", "cuda"], "Where the model runs.")
precision_option = choice_option(
    "--precision",
    ["auto", "fp32", "fp16", "int8"],
    "Precision of the encoder; 'auto' takes the device's best in the bundle.",
)
exact_option = click.option(
    "--exact",
    is_flag=True,
    help="Decode large JPEG files in full: several times slower, for nearly the same result.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
verbose_option = click.option(
    "--verbose", is_flag=True, help="List every file and folder that is passed over, and why."
)
threads_option = click.option(
    "--threads",
    type=click.IntRange(1, 1024),
    help="Threads of the model; default: the CPU quota.",
)


class FiniteRange(click.FloatRange):
    """A range of numbers without infinity and NaN, which `click.FloatRange` lets through."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


def check_outputs(
    outputs: Iterable[Path | None], inputs: Iterable[Path | None], bundle: Path | None = None
) -> None:
    """Refuse, before any work is done, outputs that would overwrite or break something else.

    That is an input, another output, or a bundle that is read, which a further file would spoil.
    """
    taken = {real_path(path): "is read by this command" for path in inputs if path is not None}
    for output in filter(None, outputs):
        if output.name == "-":
            raise InputError("'-' is not a file name: leave the option out for standard output")
        place = real_path(output)
        if place in taken:
            raise InputError(f"{output} {taken[place]}: choose another name for the output")
        if bundle is not None and place.is_relative_to(real_path(bundle)):
            raise InputError(f"{output} is in the bundle {bundle}: choose a place outside it")
        if not place.parent.is_dir():
            raise InputError(f"there is no folder {output.parent}: create it first")
        if not os.access(place.parent, os.W_OK):
            raise InputError(f"{output.parent} is not writable: choose another folder")
        taken[place] = "is written by this command already"
