"""The commands of the runtime."""

from geograph_types.cli.command import CommandEntry

__all__ = ["COMMANDS"]

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
        "geograph_types.cli.archive:archive",
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
