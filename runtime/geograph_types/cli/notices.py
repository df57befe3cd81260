"""Lines for people, on standard error, and JSON for programs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
import msgspec

from geograph_types.bundle import Bundle
from geograph_types.files.text import displayable

_writers: list[Callable[[str], None]] = []
"""What takes lines in place of standard error itself; the last one does."""


def note(line: str) -> None:
    """Write one line; what a terminal would act upon, as in the name of a file, is escaped."""
    if _writers:
        _writers[-1](displayable(line))
    else:
        click.echo(displayable(line), err=True)


@contextmanager
def redirected_to(writer: Callable[[str], None]) -> Iterator[None]:
    """Pass lines to a writer meanwhile, as a bar that has the terminal's last line needs."""
    _writers.append(writer)
    try:
        yield
    finally:
        _writers.remove(writer)


def warn_of_stand_in(bundle: Bundle) -> None:
    """Warn that tags mean nothing if the bundle's encoder has stand-in weights."""
    encoder = bundle.manifest.encoder
    if encoder is not None and encoder.stand_in:
        note(
            f"note: {bundle.root} has a stand-in encoder ({encoder.weights}), not CLIP's weights: "
            "its tags mean something on drawn practice scenes only"
        )


def echo_json(value: object) -> None:
    """Print a value as JSON on standard output."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))
