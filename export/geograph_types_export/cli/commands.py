"""The commands of the export."""

from geograph_types.cli.commands import CommandEntry

COMMANDS = (
    CommandEntry(
        "export",
        "Turn an encoder or a head into a verified part of a bundle.",
        "geograph_types_export.cli.export:export",
        "export",
    ),
    CommandEntry(
        "bundle build",
        "Build a bundle from a released head and CLIP's weights.",
        "geograph_types_export.cli.build:build",
        "export",
    ),
)
