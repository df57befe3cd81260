"""The commands of the runtime."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points

import click

COMMAND_GROUP = "geograph_types.commands"
"""Entry points of this group name a tuple of `CommandEntry`."""


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """One command of the command line.

    Attributes:
        name: as it is typed; "group name" puts it into a group that another package may have.
        summary: one line for the list of commands.
        target: "module:attribute" of its click command.
        extra: the extra that brings what it needs, named where that is missing.
    """

    name: str
    summary: str
    target: str
    extra: str

    def load(self) -> click.Command:
        """Import the command's module and give the command."""
        module, _, attribute = self.target.partition(":")
        command = getattr(import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{self.target} is no click command")
        return command


def load_command(entries: Mapping[str, CommandEntry], name: str) -> click.Command | None:
    """Import a command, and with a group those that other packages put into it.

    Args:
        entries: all commands, by name.
        name: one word.

    Returns:
        The command, or `None` if there is none of this name.
    """
    entry = entries.get(name)
    if entry is None:
        return None
    command = entry.load()
    if isinstance(command, click.Group):
        for added in entries.values():
            group, _, own_name = added.name.rpartition(" ")
            if group == name:
                command.add_command(added.load(), own_name)
    return command


def installed_commands() -> dict[str, CommandEntry]:
    """Collect the commands of all installed packages, by name."""
    entries: dict[str, CommandEntry] = {}
    for point in sorted(entry_points(group=COMMAND_GROUP), key=lambda point: point.name):
        entries |= {entry.name: entry for entry in point.load()}
    return entries


COMMANDS = (
    CommandEntry("tag", "Predict the tags of photos.", "geograph_types.cli.tag:tag", "cpu"),
    CommandEntry(
        "catalog",
        "Show or export what 'tag --catalog' keeps.",
        "geograph_types.cli.catalog:catalog",
        "cpu",
    ),
    CommandEntry(
        "sidecars",
        "Take tags out of sidecars again.",
        "geograph_types.cli.sidecars:sidecars",
        "xmp",
    ),
    CommandEntry(
        "score",
        "Predict from stored embeddings and distances, without photos.",
        "geograph_types.cli.score:score",
        "parquet",
    ),
    CommandEntry(
        "embed",
        "Turn labelled photos into a dataset of embeddings.",
        "geograph_types.cli.embed:embed",
        "parquet",
    ),
    CommandEntry(
        "serve",
        "Answer over HTTP: tags, embeddings, scores, and a page.",
        "geograph_types.cli.serve:serve",
        "serve",
    ),
    CommandEntry(
        "worker",
        "Label photos for a Geograph server.",
        "geograph_types.cli.worker:worker",
        "worker",
    ),
    CommandEntry(
        "archive",
        "Embed and tag a whole archive, on one machine or on many.",
        "geograph_types.cli.archive_run:archive",
        "archive",
    ),
    CommandEntry(
        "archive run",
        "Embed and tag into Parquet shards.",
        "geograph_types.cli.archive_run:run",
        "archive",
    ),
    CommandEntry(
        "archive plan",
        "Say what a whole archive takes here.",
        "geograph_types.cli.archive_plan:plan",
        "archive",
    ),
    CommandEntry(
        "bundle", "Show, verify or build a model bundle.", "geograph_types.cli.bundle:bundle", "cpu"
    ),
    CommandEntry(
        "doctor",
        "Report whether this machine can run the models.",
        "geograph_types.cli.doctor:doctor",
        "cpu",
    ),
)
