"""The public interface stays: names to import, and the options of every command."""

from collections.abc import Iterator
from pathlib import Path

import click
from command_tree import every_command

import geograph_types

OPTIONS = Path(__file__).parent / "data" / "options.txt"

NAMES = """
    CLASSES Bundle Distance DistanceBasis DistanceLike GeographTypesError Grid GridPosition
    Prediction TypeTagger preprocess
"""


def described(parameter: click.Parameter) -> Iterator[str]:
    """What scripts rely on: names, choices, whether it is required or repeated, the default."""
    yield " ".join(sorted([*parameter.opts, *parameter.secondary_opts]))
    if isinstance(parameter.type, click.Choice):
        yield "|".join(map(str, parameter.type.choices))
    if isinstance(parameter, click.Option) and parameter.is_flag:
        yield "flag"
    if parameter.required:
        yield "required"
    if parameter.multiple:
        yield "repeated"
    if parameter.nargs != 1:
        yield f"values={parameter.nargs}"
    if isinstance(parameter.default, str | int | float | Path) and parameter.default is not False:
        yield f"default={parameter.default}"


def option_lines() -> Iterator[str]:
    """Write a line for each command, and one for each of its options and arguments."""
    for words, command in every_command().items():
        yield words
        for parameter in command.params:
            yield f"{words}: {' '.join(described(parameter))}"


def test_every_command_has_the_options_that_it_had() -> None:
    assert sorted(option_lines()) == sorted(OPTIONS.read_text(encoding="utf-8").splitlines())


def test_the_names_to_import_are_those_that_were() -> None:
    assert set(geograph_types.__all__) == set(NAMES.split())
    assert all(hasattr(geograph_types, name) for name in NAMES.split())
    from geograph_types.distance import Distance

    assert Distance is geograph_types.Distance
