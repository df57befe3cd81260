"""The command `train`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
from click.core import ParameterSource

from geograph_types.cli.notices import note
from geograph_types.cli.options import any_path, existing_file
from geograph_types.errors import InputError
from geograph_types_trainer.cli.bad_rows import report_bad_rows

if TYPE_CHECKING:
    from geograph_types_trainer.recipe import Recipe
    from geograph_types_trainer.training.loop import EpochRecord


@click.command(epilog="Example: geograph-types train types.parquet --out runs/first --seed 1")
@click.argument("data", required=False, type=existing_file)
@click.option("--out", type=any_path, metavar="RUN", help="New folder of the run.")
@click.option(
    "--resume", type=any_path, metavar="RUN", help="Continue this run, which was stopped."
)
@click.option(
    "--recipe",
    type=click.Choice(["default", "released"]),
    default="default",
    show_default=True,
    help="The project's own recipe, or the published one.",
)
@click.option(
    "--config",
    type=existing_file,
    help="TOML file of settings that replace the recipe's; a run's config.toml works too.",
)
@click.option(
    "--policy",
    type=click.Choice(["none", "v2.1", "v2.3", "resample"]),
    help="How distances are hidden in training.",
)
@click.option(
    "--verdicts",
    type=existing_file,
    metavar="CSV",
    help="What moderators said on the page of 'review': taken for the truth, with full weight.",
)
@click.option("--seed", type=click.IntRange(min=0), help="Another seed gives another head.")
@click.option(
    "--epochs", type=click.IntRange(min=1), help="Largest number of passes over the rows."
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where to train.",
)
def train(
    data: Path | None,
    out: Path | None,
    resume: Path | None,
    recipe: str,
    config: Path | None,
    policy: str | None,
    verdicts: Path | None,
    seed: int | None,
    epochs: int | None,
    device: Literal["auto", "cpu", "cuda"],
) -> int:
    """Train a head on DATA, a dataset as Parquet or JSON Lines.

    The run is a folder: model.safetensors, config.toml, metrics.json, log.csv and curves.png. A
    stopped run continues with --resume and ends with the weights that it would have had. The exit
    status is 1 if some rows cannot be used.
    """
    import torch

    from geograph_types.system.cpu import usable_cpus
    from geograph_types_trainer.training.start import resume_run, start_run

    torch.set_num_threads(min(torch.get_num_threads(), usable_cpus()))
    if resume is not None:
        if _given_by_user() - {"data", "resume"}:
            raise click.UsageError("--resume takes every setting from the run itself")
        run = resume_run(resume, _show_epoch, data)
    elif data is None or out is None:
        raise click.UsageError("give DATA and --out RUN, or --resume RUN")
    else:
        settings = {"policy": policy, "seed": seed, "epochs": epochs}
        chosen = _recipe(recipe, config, settings)
        run = start_run(data, out, chosen, device, _show_epoch, verdicts)
    metrics = run.metrics
    if "validation_micro_f1" not in metrics:
        raise InputError(f"{run.path} was imported, so there is nothing to resume")
    note(
        f"{run.path}: epoch {metrics['best_epoch']:.0f} kept, validation "
        f"micro-F1 {metrics['validation_micro_f1']:.3f}, "
        f"macro-F1 {metrics['validation_macro_f1']:.3f}"
    )
    return report_bad_rows(run.report.bad_rows, data or "the dataset")


def _given_by_user() -> set[str]:
    """Return the names of the parameters that are on the command line."""
    context = click.get_current_context()
    return {
        name
        for name in context.params
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }


def _recipe(name: str, config: Path | None, options: dict[str, Any]) -> "Recipe":
    """Combine the named recipe, the file's settings and those of the command line."""
    from geograph_types_trainer.recipe import RECIPES

    recipe = RECIPES[name]
    if config is not None:
        recipe = recipe.read(config)
    given = {key: value for key, value in options.items() if value is not None}
    return recipe.with_settings(given, "command line")


def _show_epoch(record: "EpochRecord") -> None:
    scores = record.validation
    mark = "  best so far" if record.best else ""
    note(
        f"epoch {record.number:3d}: loss {record.training_loss:.4f}, validation loss "
        f"{scores.loss:.4f}, micro-F1 {scores.micro_f1:.3f}, macro-F1 {scores.macro_f1:.3f}{mark}"
    )
