"""Runs to checkpoints of the released form and back."""

from pathlib import Path
from typing import Final

from geograph_types.errors import InputError
from geograph_types.files.atomic import new_folder
from geograph_types_trainer.checkpoint.file import load_checkpoint, save_checkpoint
from geograph_types_trainer.recipe import RECIPES
from geograph_types_trainer.run import (
    DEFAULT_THRESHOLDS,
    Configuration,
    DatasetReference,
    Run,
    RunReport,
    write_configuration,
    write_head,
    write_report,
)

NOT_RECORDED: Final = "not recorded"
"""Stands for what a checkpoint does not say of its own making."""


def export_checkpoint(run: Path, out: Path) -> None:
    """Write a run's head in the released form.

    Args:
        run: folder of a complete run.
        out: the .pth file.

    Raises:
        InputError: the folder is no complete run.
        OSError: the file cannot be written.
    """
    made = Run.load(run)
    metrics = made.metrics
    save_checkpoint(made.head, out, int(metrics["best_epoch"]), metrics["validation_loss"])


def import_checkpoint(path: Path, out: Path) -> Run:
    """Make a run of a checkpoint of the released form.

    The file says neither how it was trained nor on what: the run names the published recipe, and
    says of the rest that it is not recorded. Its `validation_loss` is the file's `loss`.

    Args:
        path: the .pth file.
        out: folder of the run, made here.

    Raises:
        CheckpointError: the file is not of the released form.
        InputError: there is something at `out` already.
        OSError: the folder cannot be written.
    """
    if out.exists():
        raise InputError(f"{out} is there already: name a new folder")
    checkpoint = load_checkpoint(path)
    configuration = Configuration(
        version=NOT_RECORDED,
        torch=NOT_RECORDED,
        device=NOT_RECORDED,
        dataset=DatasetReference(NOT_RECORDED, NOT_RECORDED),
        recipe=RECIPES["released"],
    )
    epoch = float(checkpoint.epoch)
    metrics = {"best_epoch": epoch, "epochs": epoch, "validation_loss": checkpoint.loss}
    with new_folder(out) as folder:
        write_configuration(folder, configuration)
        write_head(folder, checkpoint.head)
        write_report(folder, RunReport(metrics, {}, {}, dict(DEFAULT_THRESHOLDS)))
    return Run.load(out)
