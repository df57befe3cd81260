"""The command `doctor`."""

from pathlib import Path

import click

from geograph_types.cli.options import any_path
from geograph_types.files.text import displayable
from geograph_types.doctor import examine

__all__ = ["doctor"]


@click.command(epilog="Example: geograph-types doctor --bundle model")
@click.option(
    "--bundle", type=any_path, metavar="DIR", help="Check the digests of this bundle too."
)
def doctor(bundle: Path | None) -> int:
    """Report whether this machine can run the models.

    The exit status is 2 where it cannot.
    """
    findings = examine(bundle)
    for finding in findings:
        mark = "ok  " if finding.good else "BAD "
        click.echo(displayable(f"{mark} {finding.what:<14} {finding.state}"))
    return 0 if all(finding.good for finding in findings) else 2
