"""The group `archive`; its commands are in modules of their own."""

import click

__all__ = ["archive"]


@click.group(
    epilog="Example: geograph-types archive run --input photos --output tagged --bundle model"
)
def archive() -> None:
    """Embed and tag a whole archive, on one machine or on many."""
