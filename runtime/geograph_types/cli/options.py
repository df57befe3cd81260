"""Options that several commands share, so that they read alike everywhere."""

from pathlib import Path

import click

__all__ = ["bundle_option", "device_option", "existing_path", "output_path", "threads_option"]

existing_path = click.Path(path_type=Path)
output_path = click.Path(path_type=Path, dir_okay=False)

bundle_option = click.option(
    "--bundle",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="The model bundle's folder.",
)
device_option = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where the model runs.",
)
threads_option = click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=None,
    help="Threads of the model; follows the CPU quota if left out.",
)
