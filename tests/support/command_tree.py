"""Every command and subcommand that is installed."""

from collections.abc import Iterator

import click

from geograph_types.cli.commands import installed_commands, load_command


def every_command() -> dict[str, click.Command]:
    """Return all commands by what is typed for them, groups and their commands too."""
    entries = installed_commands()
    loaded = {name: load_command(entries, name) for name in entries if " " not in name}
    return {
        words: command
        for name, top in loaded.items()
        if top is not None
        for words, command in _walk(name, top)
    }


def _walk(words: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield words, command
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from _walk(f"{words} {name}", inner)
