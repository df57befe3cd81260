"""The program `geograph-types`: find the command, run it, and turn errors into exit statuses."""

import io
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any, Final

import click

from geograph_types.cli.commands import EXTRAS, CommandEntry, installed_commands, load_command
from geograph_types.errors import GeographTypesError, MissingExtraError
from geograph_types.files.text import displayable

NAME: Final = "geograph-types"
EXIT_COULD_NOT_RUN: Final = 2
EXIT_INTERRUPTED: Final = 130
EXIT_BROKEN_PIPE: Final = 141
"""As a shell shows it for a program that SIGPIPE ended."""

OWN_PACKAGES: Final = ("", "geograph_types", "geograph_types_trainer", "geograph_types_export")


class CommandList(click.Group):
    """Commands that stay unimported until one of them is called."""

    def __init__(self, entries: dict[str, CommandEntry]) -> None:
        super().__init__(
            name=NAME,
            help="Predict Geograph's Type tags from photos and distances.",
            epilog="Try it on drawn photos: geograph-types scenes practice --per-class 4",
            context_settings={"show_default": True},
        )
        self.entries = entries

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(name for name in self.entries if " " not in name)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return load_command(self.entries, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; for one that is mistyped the nearest is named."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            if near := get_close_matches(args[0], self.list_commands(ctx), n=1):
                raise click.UsageError(f"{error.message} Did you mean {near[0]!r}?", ctx) from None
            raise

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; if the reader of its output leaves early, it ends without a message."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            # Python would try to flush what is left, and complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return EXIT_BROKEN_PIPE
        return result

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands with their summaries, importing none of them."""
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, self.entries[name].summary) for name in self.list_commands(ctx)]
            )


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit status.

    0 all done, 1 some inputs failed, 2 could not run, 130 interrupted, 141 if whoever read the
    output has left.
    """
    # A decoder's warning about a damaged photo is in that photo's result.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    entries = installed_commands()
    try:
        program = click.version_option(package_name=NAME, message="%(prog)s %(version)s")(
            CommandList(entries)
        )
        status = program.main(args=list(arguments), prog_name=NAME, standalone_mode=False)
        return status if isinstance(status, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return EXIT_COULD_NOT_RUN
    except click.ClickException as error:
        return _fail(error.format_message(), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return _fail("interrupted", EXIT_INTERRUPTED)
    except MissingExtraError as error:
        extra = _own_extra(entries, arguments)
        if error.module in EXTRAS.get(extra, ()):  # it brings more that the command needs
            error = MissingExtraError(error.module, extra)
        return _fail(str(error), error.exit_status)
    except GeographTypesError as error:
        return _fail(str(error), error.exit_status)
    except ModuleNotFoundError as error:
        extra = _own_extra(entries, arguments)
        module = (error.name or "").partition(".")[0]
        if not extra or module in OWN_PACKAGES:  # a fault of ours, to be seen
            raise
        return _fail(str(MissingExtraError(module, extra)), EXIT_COULD_NOT_RUN)
    except OSError as error:
        message = ": ".join(filter(None, [error.filename, error.strerror or str(error)]))
        return _fail(message, EXIT_COULD_NOT_RUN)


def _fail(message: str, status: int) -> int:
    click.echo(displayable(f"error: {' '.join(message.split())}"), err=True)
    return status


def _own_extra(entries: dict[str, CommandEntry], arguments: Sequence[str]) -> str:
    """Return the extra of the command that is called; nothing if there is no such command."""
    names = (" ".join(arguments[:2]), *arguments)
    return next((entries[name].extra for name in names if name in entries), "")


def run() -> None:
    """Run the program with the arguments of the process, and end the process."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # UTF-8 whatever the code page, also redirected
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    sys.exit(main(sys.argv[1:]))
