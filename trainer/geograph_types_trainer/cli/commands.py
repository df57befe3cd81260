"""The trainer's commands."""

from geograph_types.cli.commands import CommandEntry

COMMANDS = (
    CommandEntry(
        "scenes",
        "Draw labelled practice photos.",
        "geograph_types_trainer.cli.scenes:scenes",
        "train",
    ),
    CommandEntry(
        "dataset",
        "Convert, describe or sample a dataset.",
        "geograph_types_trainer.cli.dataset:dataset",
        "train",
    ),
    CommandEntry(
        "train", "Train a head on a dataset.", "geograph_types_trainer.cli.train:train", "train"
    ),
    CommandEntry(
        "evaluate",
        "Score a head on a dataset's test split.",
        "geograph_types_trainer.cli.evaluate:evaluate",
        "train",
    ),
    CommandEntry(
        "checkpoint",
        "Write or read a head in the form that Geograph releases.",
        "geograph_types_trainer.cli.checkpoint:checkpoint",
        "train",
    ),
)
