"""From a dataset's file to a complete run, started or resumed."""

import csv
import io
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final, TypeAlias, cast

import msgspec
import torch

from geograph_types.errors import InputError
from geograph_types.files.atomic import new_file
from geograph_types.photos.labels import SPLITS
from geograph_types.taxonomy import CLASSES
from geograph_types_trainer.dataset.memory import TrainingData
from geograph_types_trainer.device import DeviceName, choose_device
from geograph_types_trainer.recipe import Recipe
from geograph_types_trainer.review.verdicts import Verdicts
from geograph_types_trainer.run import (
    CONFIGURATION_FILE,
    CURVES_FILE,
    LOG_FILE,
    REPORT_FILE,
    STATE_FILE,
    Configuration,
    DatasetReference,
    Run,
    RunReport,
    read_configuration,
    write_configuration,
    write_head,
    write_report,
)
from geograph_types_trainer.training.loop import EpochRecord, Training

LOG_COLUMNS: Final = (
    "epoch",
    "training_loss",
    "validation_loss",
    "validation_micro_f1",
    "validation_macro_f1",
    "best",
)


def log_table(history: Sequence[EpochRecord]) -> bytes:
    """Return the epochs as CSV with a header."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(LOG_COLUMNS)
    for record in history:
        scores = record.validation
        writer.writerow(
            [
                record.number,
                f"{record.training_loss:.6f}",
                f"{scores.loss:.6f}",
                f"{scores.micro_f1:.6f}",
                f"{scores.macro_f1:.6f}",
                int(record.best),
            ]
        )
    return text.getvalue().encode()


OnEpoch: TypeAlias = Callable[[EpochRecord], None]


def start_run(
    dataset: Path,
    out: Path,
    recipe: Recipe,
    device: DeviceName,
    on_epoch: OnEpoch,
    verdicts: Path | None = None,
) -> Run:
    """Train a head into the new folder `out`; `on_epoch` is called once an epoch is on disk.

    Verdicts are those of `review`.
    """
    chosen = choose_device(device)
    if (out / CONFIGURATION_FILE).exists():
        raise InputError(
            f"{out} is a run already: continue it with --resume {out}, or choose another folder"
        )
    _remove_leftovers(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} is not empty: choose a new folder")
    configuration = Configuration(
        version=_own_version(),
        torch=str(torch.__version__),
        device=chosen.type,
        dataset=DatasetReference(str(dataset.resolve()), ""),  # known once it is read
        recipe=recipe,
        verdicts=DatasetReference(str(verdicts.resolve()), "") if verdicts else None,
    )
    return _fit(out, configuration, dataset, on_epoch)


def resume_run(out: Path, on_epoch: OnEpoch, dataset: Path | None = None) -> Run:
    """Continue a run that was stopped at any moment; a complete one is left as it is.

    The weights are those that the run would have had without the stop. `dataset` is where the file
    is now, if it has moved.
    """
    configuration = read_configuration(out)
    _remove_leftovers(out)
    if (out / REPORT_FILE).exists():
        (out / STATE_FILE).unlink(missing_ok=True)
        return Run.load(out)
    return _fit(out, configuration, dataset or Path(configuration.dataset.path), on_epoch)


def _fit(out: Path, configuration: Configuration, dataset: Path, on_epoch: OnEpoch) -> Run:
    history, report = _train(out, configuration, dataset, on_epoch)
    # Imported once the dataset is out of memory: matplotlib takes 50 MB.
    from geograph_types_trainer.training.curves import draw_curves

    for name, content in ((LOG_FILE, log_table(history)), (CURVES_FILE, draw_curves(history))):
        with new_file(out / name) as stream:
            stream.write(content)
    # The report comes last: a run that has one is complete.
    write_report(out, report)
    (out / STATE_FILE).unlink()
    return Run.load(out)


def _train(
    out: Path, configuration: Configuration, dataset: Path, on_epoch: OnEpoch
) -> tuple[list[EpochRecord], RunReport]:
    """Run the epochs that are left, each saved before it is reported, and write the head."""
    device = choose_device(cast(DeviceName, configuration.device))
    data = TrainingData.load(dataset, configuration.recipe.cross_grid)
    if not configuration.dataset.sha256:
        reference = DatasetReference(configuration.dataset.path, data.sha256)
        configuration = msgspec.structs.replace(configuration, dataset=reference)
    if data.sha256 != configuration.dataset.sha256:
        raise InputError(
            f"{dataset} is not the dataset that {out} was started with: its digest differs"
        )
    if configuration.verdicts is not None:
        data, configuration = _with_verdicts(data, configuration, out)
    training = Training(data, configuration.recipe, device)
    if not (out / CONFIGURATION_FILE).exists():
        # Not before the dataset proves usable: a run that cannot start leaves nothing behind.
        out.mkdir(parents=True, exist_ok=True)
        write_configuration(out, configuration)
    state = out / STATE_FILE
    if state.exists():
        training.restore(state)
    while not training.finished:
        record = training.run_epoch()
        training.save(state)
        on_epoch(record)
    write_head(out, training.best_head().weights())
    return training.history, _report(training, data)


def _with_verdicts(
    data: TrainingData, configuration: Configuration, out: Path
) -> tuple[TrainingData, Configuration]:
    """Put what moderators said in place of labels; the file must still say the same."""
    given = cast(DatasetReference, configuration.verdicts)
    verdicts = Verdicts.read(Path(given.path))
    if given.sha256 not in ("", verdicts.sha256):
        raise InputError(f"{given.path} has changed since {out} was started: start a new run")
    reference = DatasetReference(given.path, verdicts.sha256)
    configuration = msgspec.structs.replace(configuration, verdicts=reference)
    return verdicts.applied(data), configuration


def _remove_leftovers(out: Path) -> None:
    """Remove files that were being written when the run was stopped."""
    for file in out.glob(".*.part"):
        file.unlink()


def _own_version() -> str:
    """Return the installed version; a source tree that is not installed has none."""
    try:
        return version("geograph-types")
    except PackageNotFoundError:
        return "not installed"


def _report(training: Training, data: TrainingData) -> RunReport:
    kept = training.history[training.best_epoch - 1].validation
    metrics = {
        "best_epoch": training.best_epoch,
        "epochs": len(training.history),
        "validation_loss": kept.loss,
        "validation_micro_f1": kept.micro_f1,
        "validation_macro_f1": kept.macro_f1,
    } | {f"validation_f1_{name}": kept.class_f1[i] for i, name in enumerate(CLASSES)}
    return RunReport(
        metrics=metrics,
        rows={split: len(data.rows_of(split)) for split in SPLITS},
        bad_rows=data.bad_rows,
    )
