"""Runs to checkpoints of the released form and back."""

from pathlib import Path
from typing import Final

from geograph_types.errors import InputError
from geograph_types.files.atomic import new_file, new_folder
from geograph_types_trainer.checkpoint.json_form import json_head
from geograph_types_trainer.checkpoint.read import read_checkpoint
from geograph_types_trainer.head_weights import SCALE
from geograph_types_trainer.recipe import RECIPES
from geograph_types_trainer.run import (
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


def export_checkpoint(run: Path, out: Path) -> bool:
    """Write the head of a complete run: as `.pth` in the released form, or as `.json`.

    The released form has no place for a calibration; return whether one was left out.
    """
    made = Run.load(run)
    if out.suffix.casefold() == ".json":
        with new_file(out) as stream:
            stream.write(json_head(made.weights))
        return False
    from geograph_types_trainer.checkpoint.write import save_checkpoint
    from geograph_types_trainer.head import TypeHead

    epoch = made.metrics.get("best_epoch")
    save_checkpoint(
        TypeHead.from_weights(made.weights),
        out,
        None if epoch is None else int(epoch),
        made.metrics.get("validation_loss"),
    )
    return SCALE in made.weights


def import_checkpoint(path: Path, out: Path) -> Run:
    """Make a run, in a new folder, of a checkpoint of the released form.

    The file says neither how it was trained nor on what: the run names the published recipe, and
    says of the rest that it is not recorded. Its `validation_loss` is the file's `loss`.
    """
    if out.exists():
        raise InputError(f"{out} is there already: name a new folder")
    checkpoint = read_checkpoint(path)
    configuration = Configuration(
        version=NOT_RECORDED,
        torch=NOT_RECORDED,
        device=NOT_RECORDED,
        dataset=DatasetReference(NOT_RECORDED, NOT_RECORDED),
        recipe=RECIPES["released"],
    )
    recorded = {
        "best_epoch": checkpoint.epoch,
        "epochs": checkpoint.epoch,
        "validation_loss": checkpoint.loss,
    }
    metrics = {name: float(value) for name, value in recorded.items() if value is not None}
    with new_folder(out) as folder:
        write_configuration(folder, configuration)
        write_head(folder, checkpoint.weights)
        write_report(folder, RunReport(metrics, {}, {}))
    return Run.load(out)
