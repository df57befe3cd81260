"""Lines for people, on standard error."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from geograph_types.bundle import Bundle
from geograph_types.files.text import displayable

_speakers: list[Callable[[str], None]] = []
"""Who says lines in place of standard error itself; the last one does."""


def note(line: str) -> None:
    """Say one line; what a terminal would act upon, as in the name of a file, is escaped."""
    if _speakers:
        _speakers[-1](displayable(line))
    else:
        click.echo(displayable(line), err=True)


@contextmanager
def redirected_to(speaker: Callable[[str], None]) -> Iterator[None]:
    """Hand lines to a speaker meanwhile, as where a bar has the terminal's last line."""
    _speakers.append(speaker)
    try:
        yield
    finally:
        _speakers.remove(speaker)


def warn_of_stand_in(bundle: Bundle) -> None:
    """Say that tags mean nothing, where the bundle's encoder has stand-in weights."""
    encoder = bundle.manifest.encoder
    if encoder is not None and encoder.stand_in:
        note(
            f"note: {bundle.root} has a stand-in encoder ({encoder.weights}), not CLIP's weights: "
            "its tags mean something on drawn practice scenes only"
        )


def failures(faults: Counter[str]) -> str:
    """Go on with a summary: how many failed, by reason; nothing where none did."""
    reasons = ", ".join(f"{number} {fault}" for fault, number in faults.most_common())
    return f", {faults.total()} failed: {reasons}" if faults else ""
