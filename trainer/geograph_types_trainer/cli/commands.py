"""The commands of the trainer."""

from geograph_types.cli.commands import command_table

COMMANDS = command_table(
    "geograph_types_trainer.cli",
    ("scenes", "train", "scenes:scenes", "Draw labelled practice photos."),
    ("dataset", "train", "dataset:dataset", "Convert, describe or sample a dataset."),
    ("train", "train", "train:train", "Train a head on a dataset."),
    ("evaluate", "train", "evaluate:evaluate", "Score a head on a dataset's test split."),
    ("review", "cpu", "review:review", "Ask people about the photos worth a look."),
    ("checkpoint", "train", "checkpoint:checkpoint", "Convert heads to and from .pth files."),
)
