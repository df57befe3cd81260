"""Lines for people, on standard error."""

import click

from geograph_types.bundle import Bundle
from geograph_types.display import displayable

__all__ = ["note", "warn_of_stand_in"]


def note(line: str) -> None:
    """Say one line; what a terminal would act upon, as in the name of a file, is escaped."""
    click.echo(displayable(line), err=True)


def warn_of_stand_in(bundle: Bundle) -> None:
    """Say that tags mean nothing, where the bundle's encoder has stand-in weights."""
    if bundle.is_stand_in:
        note(
            f"note: {bundle.root} has a stand-in encoder ({_weights(bundle)}), not CLIP's weights: "
            "its tags mean something on drawn practice scenes only"
        )


def _weights(bundle: Bundle) -> str:
    return bundle.manifest.encoder.weights if bundle.manifest.encoder else "none"
