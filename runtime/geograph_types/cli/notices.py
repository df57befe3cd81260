"""Lines for people, on standard error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from geograph_types.bundle import Bundle
from geograph_types.display import displayable

__all__ = ["note", "spoken_by", "warn_of_stand_in"]

_speakers: list[Callable[[str], None]] = []
"""Who says lines in place of standard error itself; the last one does."""


def note(line: str) -> None:
    """Say one line; what a terminal would act upon, as in the name of a file, is escaped."""
    if _speakers:
        _speakers[-1](displayable(line))
    else:
        click.echo(displayable(line), err=True)


@contextmanager
def spoken_by(speaker: Callable[[str], None]) -> Iterator[None]:
    """Hand lines to a speaker meanwhile, as where a bar has the terminal's last line."""
    _speakers.append(speaker)
    try:
        yield
    finally:
        _speakers.remove(speaker)


def warn_of_stand_in(bundle: Bundle) -> None:
    """Say that tags mean nothing, where the bundle's encoder has stand-in weights."""
    if bundle.is_stand_in:
        note(
            f"note: {bundle.root} has a stand-in encoder ({_weights(bundle)}), not CLIP's weights: "
            "its tags mean something on drawn practice scenes only"
        )


def _weights(bundle: Bundle) -> str:
    return bundle.manifest.encoder.weights if bundle.manifest.encoder else "none"
