"""The commands of the runtime, and how those of all installed packages are found."""

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Final, NamedTuple

import click

COMMAND_GROUP: Final = "geograph_types.commands"
"""Entry points of this group name a `command_table`."""


EXTRAS: Final = {
    "parquet": ("pyarrow",),
    "archive": ("pyarrow", "isal"),
    "ray": ("ray", "pyarrow", "isal"),
    "geo": ("pyproj",),
    "heif": ("pi_heif",),
    "xmp": ("exiv2",),
    "serve": ("h11", "prometheus_client", "python_multipart", "starlette", "uvicorn"),
    "worker": ("httpx",),
    "train": ("torch", "isal", "matplotlib", "pyarrow", "safetensors", "tomli_w"),
    "export": ("onnx", "ml_dtypes", "safetensors", "huggingface_hub", "pooch", "requests"),
    "reference": ("torch", "torchvision", "open_clip"),
}
"""What each brings, by the names under which it is imported."""


class CommandEntry(NamedTuple):
    """One command of the command line, not imported yet."""

    name: str  # as it is typed; "group name" puts it into a group that another package may have
    extra: str  # the one that brings what it needs, named if that is missing
    target: str  # "module:attribute" of its click command
    summary: str  # one line for the list of commands

    def load(self) -> click.Command:
        module, _, attribute = self.target.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command


def command_table(package: str, *rows: tuple[str, str, str, str]) -> tuple[CommandEntry, ...]:
    """Return the commands of a package, whose name completes each row's target."""
    return tuple(
        CommandEntry(name, extra, f"{package}.{target}", summary)
        for name, extra, target, summary in rows
    )


def load_command(entries: Mapping[str, CommandEntry], name: str) -> click.Command | None:
    """Import the command of this name, and for a group those that other packages add to it."""
    if name not in entries:
        return None
    command = entries[name].load()
    for added in entries.values():
        group, _, own_name = added.name.rpartition(" ")
        if group == name and isinstance(command, click.Group):
            command.add_command(added.load(), own_name)
    return command


def installed_commands() -> dict[str, CommandEntry]:
    """Return the commands of all installed packages, by name."""
    points = sorted(entry_points(group=COMMAND_GROUP), key=lambda point: point.name)
    return {entry.name: entry for point in points for entry in point.load()}


COMMANDS = command_table(
    "geograph_types.cli",
    ("tag", "cpu", "tag:tag", "Predict the tags of photos."),
    ("photils", "cpu", "photils:photils", "Suggest tags to darktable's script 'photils'."),
    ("catalog", "cpu", "catalog:catalog", "Show or export what 'tag --catalog' keeps."),
    ("sidecars", "xmp", "sidecars:sidecars", "Take tags out of sidecars again."),
    ("score", "parquet", "score:score", "Predict from stored embeddings, without photos."),
    ("embed", "parquet", "embed:embed", "Turn labelled photos into a dataset of embeddings."),
    ("serve", "serve", "serve:serve", "Answer over HTTP: tags, embeddings, scores, and a page."),
    ("worker", "worker", "worker:worker", "Label photos for a Geograph server."),
    ("archive", "archive", "archive_run:archive", "Embed and tag a whole archive."),
    ("archive run", "archive", "archive_run:run", "Embed and tag into Parquet shards."),
    ("archive plan", "archive", "archive_plan:plan", "Report what a whole archive takes here."),
    ("bundle", "cpu", "bundle:bundle", "Show, verify or build a model bundle."),
    ("doctor", "cpu", "doctor:doctor", "Report whether this machine can run the models."),
)
