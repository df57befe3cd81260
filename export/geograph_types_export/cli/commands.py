"""The commands of the export."""

from geograph_types.cli.commands import command_table

COMMANDS = command_table(
    "geograph_types_export.cli",
    ("export", "export", "export:export", "Turn an encoder or a head into a part of a bundle."),
    ("bundle build", "export", "build:build", "Build a bundle from a released head and CLIP."),
)
